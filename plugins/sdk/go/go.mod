module llmhost.dev/plugin

go 1.24
