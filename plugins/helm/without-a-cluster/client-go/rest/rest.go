// Package rest stands in for the configuration of a cluster's client. A plugin reaches no cluster.
package rest

// Config would say which cluster. Helm's engine passes it on and never looks into it.
type Config struct{}
