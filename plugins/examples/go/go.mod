module logs

go 1.24

require llmhost.dev/plugin v0.1.0

replace llmhost.dev/plugin => ./llmhost-plugin-go-0.1.0

tool llmhost.dev/plugin/llmhost-build
