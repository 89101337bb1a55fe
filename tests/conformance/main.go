// A real Kubernetes control plane for tests: etcd, kube-apiserver, kube-controller-manager and
// kube-scheduler in one program, built from their Go modules as k3s builds them, and a kubelet that
// runs nothing.
//
//	control-plane serve FOLDER
//
// prints the address of its control port, and ends when its standard input does. See serve.go.
package main

import (
	"fmt"
	"os"

	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllers "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: control-plane serve FOLDER")
		os.Exit(2)
	}
	part := os.Args[1]
	// Under the part's own name: it is the field manager of what a controller writes.
	os.Args = append([]string{part}, os.Args[2:]...)
	// Each component is a process of its own: they share global flags and metrics, and one may end alone.
	switch part {
	case "kube-apiserver":
		os.Exit(cli.Run(apiserver.NewAPIServerCommand()))
	case "kube-controller-manager":
		os.Exit(cli.Run(controllers.NewControllerManagerCommand()))
	case "kube-scheduler":
		os.Exit(cli.Run(scheduler.NewSchedulerCommand()))
	case "serve":
		if err := serve(os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, "control-plane:", err)
			os.Exit(1)
		}
	default:
		fmt.Fprintf(os.Stderr, "control-plane: there is no part %q\n", part)
		os.Exit(2)
	}
}
