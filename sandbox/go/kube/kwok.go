package main

import (
	"context"

	"github.com/spf13/pflag"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	nodefast "sigs.k8s.io/kwok/kustomize/stage/node/fast"
	nodeheartbeat "sigs.k8s.io/kwok/kustomize/stage/node/heartbeat-with-lease"
	podfast "sigs.k8s.io/kwok/kustomize/stage/pod/fast"
	"sigs.k8s.io/kwok/pkg/apis/internalversion"
	"sigs.k8s.io/kwok/pkg/client/clientset/versioned"
	"sigs.k8s.io/kwok/pkg/config"
	"sigs.k8s.io/kwok/pkg/kwok/controllers"
	"sigs.k8s.io/kwok/pkg/log"
	"sigs.k8s.io/kwok/pkg/utils/client"
	"sigs.k8s.io/kwok/pkg/utils/signals"
	"sigs.k8s.io/kwok/pkg/utils/slices"
)

// leaseSeconds is a kubelet's own lease duration. Without a lease the controller manager takes a node for dead after 50 s.
const leaseSeconds = 40

// runKwok is kwok's own root command (pkg/kwok/cmd) without its debug server: that server alone pulls in the kubelet's
// container runtime client. All nodes are simulated, with the stages that kwok ships as its defaults.
func runKwok() error {
	flags := pflag.NewFlagSet("kwok", pflag.ContinueOnError)
	kubeconfig := flags.String("kubeconfig", "", "path to the kubeconfig file")
	ctx, _ := log.InitFlags(signals.SetupSignalContext(), flags)
	ctx, err := config.InitFlags(ctx, flags)
	if err != nil {
		return err
	}
	if err := start(ctx, *kubeconfig); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

func start(ctx context.Context, kubeconfig string) error {
	conf, err := controllerConfig(ctx, kubeconfig)
	if err != nil {
		return err
	}
	controller, err := controllers.NewController(conf)
	if err != nil {
		return err
	}
	return controller.Start(ctx)
}

func controllerConfig(ctx context.Context, kubeconfig string) (controllers.Config, error) {
	options := config.GetKwokConfiguration(ctx).Options
	stages, err := defaultStages()
	if err != nil {
		return controllers.Config{}, err
	}
	conf := controllers.Config{
		Clock:                     clock.RealClock{},
		ManageAllNodes:            true,
		CIDR:                      options.CIDR,
		NodeIP:                    options.NodeIP,
		NodePort:                  options.NodePort,
		PodPlayStageParallelism:   options.PodPlayStageParallelism,
		NodePlayStageParallelism:  options.NodePlayStageParallelism,
		NodeLeaseParallelism:      options.NodeLeaseParallelism,
		NodeLeaseDurationSeconds:  leaseSeconds,
		PodsOnNodeSyncParallelism: options.PodsOnNodeSyncParallelism,
		LocalStages: slices.GroupBy(stages, func(stage *internalversion.Stage) internalversion.StageResourceRef {
			return stage.Spec.ResourceRef
		}),
	}
	if conf.ID, err = controllers.Identity(); err != nil {
		return conf, err
	}
	return conf, addClients(&conf, kubeconfig)
}

func defaultStages() ([]*internalversion.Stage, error) {
	texts := []string{
		nodefast.DefaultNodeInit,
		nodeheartbeat.DefaultNodeHeartbeatWithLease,
		podfast.DefaultPodReady,
		podfast.DefaultPodComplete,
		podfast.DefaultPodDelete,
	}
	stages := make([]*internalversion.Stage, 0, len(texts))
	for _, text := range texts {
		stage, err := config.UnmarshalWithType[*internalversion.Stage](text)
		if err != nil {
			return nil, err
		}
		stages = append(stages, stage)
	}
	return stages, nil
}

func addClients(conf *controllers.Config, kubeconfig string) error {
	clientset, err := client.NewClientset("", kubeconfig)
	if err != nil {
		return err
	}
	restConfig, err := clientset.ToRESTConfig()
	if err != nil {
		return err
	}
	if conf.DynamicClient, err = clientset.ToDynamicClient(); err != nil {
		return err
	}
	if conf.RESTMapper, err = clientset.ToRESTMapper(); err != nil {
		return err
	}
	if conf.RESTClient, err = rest.RESTClientFor(restConfig); err != nil {
		return err
	}
	if conf.TypedClient, err = kubernetes.NewForConfig(restConfig); err != nil {
		return err
	}
	if conf.TypedKwokClient, err = versioned.NewForConfig(restConfig); err != nil {
		return err
	}
	conf.ImpersonatingDynamicClient = clientset.ToImpersonatingDynamicClient()
	conf.ImpersonatingTypedClient = clientset.ToImpersonatingTypedClient()
	return nil
}
