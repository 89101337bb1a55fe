package aws

import (
	"errors"
	"testing"

	wit "llmhost.dev/plugin/internal/aws"
	"llmhost.dev/plugin/internal/kinds"
	"llmhost.dev/plugin/internal/wit/types"
	"llmhost.dev/plugin/provider"
)

// answering has every call answered so, and gives the last one.
func answering(t *testing.T, text string, failed error) *wit.Message {
	t.Helper()
	last := new(wit.Message)
	send = func(message wit.Message) (string, error) {
		*last = message
		return text, failed
	}
	t.Cleanup(func() { send = alone })
	return last
}

func TestACallHasWhatItWasGiven(t *testing.T) {
	sent := answering(t, `{"Version": 3}`, nil)
	var answer struct{ Version int }
	if err := JSON("ssm", "AmazonSSM.PutParameter", map[string]string{"Value": "<<secret:v>>"}).Send(&answer); err != nil || answer.Version != 3 {
		t.Error(err, answer)
	}
	if sent.Service != "ssm" || sent.Parameters != `{"Value":"<<secret:v>>"}` || sent.Protocol.Json() != (wit.JsonTarget{Target: "AmazonSSM.PutParameter", Version: "1.1"}) {
		t.Error(*sent)
	}
	if err := JSON10("dynamodb", "a", 1).EndpointPrefix("p").Send(nil); err != nil || sent.Protocol.Json().Version != "1.0" || sent.EndpointPrefix.Some() != "p" {
		t.Error(err, *sent)
	}
	if text, err := Query("sns", "Publish", "2010-03-31", 1).Text(); err != nil || text != `{"Version": 3}` || sent.Protocol.Query().Action != "Publish" {
		t.Error(text, err)
	}
	if err := REST("lambda", "GET", "/a", 1).Send(nil); err != nil || sent.Protocol.Rest() != (wit.RestPath{Method: "GET", Path: "/a"}) {
		t.Error(err, *sent)
	}
}

func TestACallThatFailsSaysWhy(t *testing.T) {
	answering(t, "", wit.Error{Class: wit.ErrorClassNotFound, Code: types.Some("ParameterNotFound"), Message: "m"})
	err := JSON("ssm", "a", 1).Send(nil)
	if !errors.Is(err, provider.NotFound) || err != (provider.Error{Class: provider.NotFound, Code: "ParameterNotFound", Message: "m"}) {
		t.Error(err)
	}
	answering(t, "<xml>", nil)
	var answer struct{}
	if err := Query("sns", "a", "b", 1).Send(&answer); !errors.Is(err, provider.Service) {
		t.Error(err)
	}
	sent := answering(t, "", nil)
	if err := JSON("ssm", "a", make(chan int)).Send(nil); !errors.Is(err, provider.Invalid) || sent.Service != "" {
		t.Error(err, *sent)
	}
}

func TestClassesAreThoseOfAProvider(t *testing.T) {
	for of, class := range map[uint8]uint8{
		wit.ErrorClassNotFound: kinds.ErrorClassNotFound, wit.ErrorClassConflict: kinds.ErrorClassConflict, wit.ErrorClassDenied: kinds.ErrorClassDenied,
		wit.ErrorClassQuota: kinds.ErrorClassQuota, wit.ErrorClassThrottled: kinds.ErrorClassThrottled, wit.ErrorClassInvalid: kinds.ErrorClassInvalid,
		wit.ErrorClassService: kinds.ErrorClassService, wit.ErrorClassUnreachable: kinds.ErrorClassUnreachable,
	} {
		if of != class {
			t.Error(of, class)
		}
	}
}
