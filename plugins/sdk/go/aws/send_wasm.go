package aws

import wit "llmhost.dev/plugin/internal/aws"

// send is the host's function.
var send = wit.Call
