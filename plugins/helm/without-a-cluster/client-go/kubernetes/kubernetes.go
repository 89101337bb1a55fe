// Package kubernetes is empty. Helm imports it so that client-go stands among the modules of the binary: its version there says
// which version of Kubernetes Helm takes for granted.
package kubernetes
