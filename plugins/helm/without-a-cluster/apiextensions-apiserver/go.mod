// Stands in for apiextensions-apiserver: the names of its API versions, without their types.
module k8s.io/apiextensions-apiserver

go 1.26.0

require k8s.io/client-go v0.37.2
