// Package v1 is the name of one API version.
package v1

import "k8s.io/client-go/kubernetes/scheme"

// AddToScheme adds this API version.
func AddToScheme(list *scheme.List) error {
	list.Add("apiextensions.k8s.io/v1")
	return nil
}
