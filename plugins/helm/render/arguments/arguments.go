// Package arguments gives the program a name. A plugin has no arguments, not even the first one, and the logger that Kubernetes'
// packages bring takes it while it starts.
//
// Go starts packages in the order of their paths, as far as what they import is started. So this one, which imports os alone, comes
// before k8s.io/klog.
package arguments

import "os"

func init() {
	if len(os.Args) == 0 {
		os.Args = []string{"helm"}
	}
}
