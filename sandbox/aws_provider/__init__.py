"""The bundled `aws` provider: the unmodified pulumi_aws SDK against a fake AWS on loopback, through boto3."""
