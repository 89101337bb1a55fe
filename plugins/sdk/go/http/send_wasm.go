package http

import wit "llmhost.dev/plugin/internal/http"

// send is the host's function.
var send = wit.Send
