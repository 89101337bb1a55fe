// Package scheme knows the names of the API versions of Kubernetes, and none of their types: the types are most of client-go, and
// Helm uses the names alone (.Capabilities.APIVersions).
package scheme

import "k8s.io/apimachinery/pkg/runtime/schema"

// List is the API versions that were added.
type List struct{ versions []schema.GroupVersion }

// Scheme is what Helm takes the default API versions from.
var Scheme = func() *List {
	list := &List{}
	list.Add(versions...)
	return list
}()

// Add adds API versions, written `apps/v1`.
func (l *List) Add(versions ...string) {
	for _, version := range versions {
		parsed, err := schema.ParseGroupVersion(version)
		if err != nil {
			panic(err)
		}
		l.versions = append(l.versions, parsed)
	}
}

// PrioritizedVersionsAllGroups is every API version.
func (l *List) PrioritizedVersionsAllGroups() []schema.GroupVersion { return l.versions }
