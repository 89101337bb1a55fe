// Package dynamic stands in for the client of objects of any kind. Helm's function `lookup` is written against it.
package dynamic

import (
	"context"
	"errors"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
)

// Object is an object or a list of objects, as JSON has it.
type Object map[string]any

// UnstructuredContent is the object itself.
func (o Object) UnstructuredContent() map[string]any { return o }

// ResourceInterface reads objects of one kind.
type ResourceInterface interface {
	Get(ctx context.Context, name string, options metav1.GetOptions, subresources ...string) (Object, error)
	List(ctx context.Context, options metav1.ListOptions) (Object, error)
}

// NamespaceableResourceInterface reads objects of one kind in any namespace.
type NamespaceableResourceInterface interface {
	Namespace(string) ResourceInterface
	ResourceInterface
}

// Client would read a cluster's objects.
type Client struct{}

// NewForConfig always fails: a plugin reaches no cluster.
func NewForConfig(*rest.Config) (*Client, error) {
	return nil, errors.New("a plugin reaches no cluster")
}

// Resource is never called: there is no client.
func (*Client) Resource(schema.GroupVersionResource) NamespaceableResourceInterface { return nil }
