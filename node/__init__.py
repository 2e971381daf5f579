"""What a GPU machine runs from its first boot: spec in, checked files and user data out; no Pulumi, no AWS SDK.

`node.render.files` gives the files of a machine of one's own, `node.user_data.user_data` the same as cloud-init.
"""
