// Package discovery stands in for the client that asks a cluster for its resources. A plugin reaches no cluster.
package discovery

import (
	"errors"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
)

// Client would ask a cluster.
type Client struct{}

// NewDiscoveryClientForConfig gives a client that knows nothing.
func NewDiscoveryClientForConfig(*rest.Config) (*Client, error) { return &Client{}, nil }

// ServerResourcesForGroupVersion always fails: there is nobody to ask.
func (*Client) ServerResourcesForGroupVersion(string) (*metav1.APIResourceList, error) {
	return nil, errors.New("a plugin reaches no cluster")
}
