module {{name}}

go 1.25

require llmhost.dev/plugin v0.1.0

// The SDK, which each build writes.
replace llmhost.dev/plugin => ./bindings/plugin
