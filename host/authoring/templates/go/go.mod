module {{name}}

go 1.25

require go.bytecodealliance.org/pkg v0.2.2

// The runtime of the bindings, which the bindings bring.
replace go.bytecodealliance.org/pkg => ./bindings/pkg
