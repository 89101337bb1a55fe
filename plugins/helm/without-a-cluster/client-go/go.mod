// Stands in for client-go: what Helm's packages for charts use of it, without a cluster behind it.
module k8s.io/client-go

go 1.26.0

require k8s.io/apimachinery v0.37.2
