package http

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	wit "llmhost.dev/plugin/internal/http"
	"llmhost.dev/plugin/internal/wit/types"
	"llmhost.dev/plugin/provider"
)

// answering has every request answered so, and gives the last one.
func answering(t *testing.T, status uint16, body string, failed error) *wit.Request {
	t.Helper()
	last := new(wit.Request)
	send = func(request wit.Request) (wit.Response, error) {
		*last = request
		return wit.Response{Status: status, Body: body, Headers: []types.Tuple2[string, string]{{F0: "etag", F1: "e"}}, Url: request.Url}, failed
	}
	t.Cleanup(func() { send = alone })
	return last
}

func TestARequestHasWhatItWasGiven(t *testing.T) {
	sent := answering(t, 200, `{"id": "1", "more": true}`, nil)
	var answer struct{ ID string }
	request := Post("https://a.example/x?y=1", map[string]string{"text": "<<secret:text>>"}).Query("token", "a b&c/é")
	if err := request.Bearer("<<secret:key>>").Header("Accept", "text/plain").JSON(&answer); err != nil || answer.ID != "1" {
		t.Error(err, answer)
	}
	if sent.Method != "POST" || sent.Url != "https://a.example/x?y=1&token=a+b%26c%2F%C3%A9" || sent.Follow || sent.Body.Some() != `{"text":"<<secret:text>>"}` {
		t.Error(*sent)
	}
	if headers := fmt.Sprint(sent.Headers); headers != "[{accept text/plain} {content-type application/json} {authorization Bearer <<secret:key>>}]" {
		t.Error(headers)
	}
	for method, request := range map[string]*Request{"GET": Get("u"), "PUT": Put("u", 1), "PATCH": Patch("u", 1), "DELETE": Delete("u")} {
		if err := request.Bearer("").Basic("a", "b").Follow().JSON(nil); err != nil || sent.Method != method || !sent.Follow || sent.Basic.Some().F1 != "b" {
			t.Error(err, *sent)
		}
		if strings.Contains(fmt.Sprint(sent.Headers), "authorization") {
			t.Error(sent.Headers)
		}
	}
	if response, err := Get("u").Query("a", "b").Send(); err != nil || response.Headers["etag"] != "e" || response.URL != "u?a=b" {
		t.Error(response, err)
	}
}

func TestStatusesAreClassesOfErrors(t *testing.T) {
	for status, class := range map[uint16]provider.Class{
		302: provider.Invalid, 400: provider.Invalid, 401: provider.Denied, 403: provider.Denied, 404: provider.NotFound, 409: provider.Conflict,
		422: provider.Invalid, 429: provider.Throttled, 500: provider.Service, 503: provider.Service,
	} {
		answering(t, status, `{"error": {"message": "no\n way"}}`, nil)
		err := Put("https://a.example/x?key=1", 1).JSON(nil)
		var failed provider.Error
		if !errors.Is(err, class) || !errors.As(err, &failed) || failed.Code != fmt.Sprintf("HTTP %d", status) {
			t.Error(status, err)
		}
		if err.Error() != "no way (PUT https://a.example/x)" {
			t.Error(err)
		}
	}
	answering(t, 500, "", nil)
	if response, err := Get("u").Send(); err != nil || response.Status != 500 {
		t.Error("any status is an answer to Send", err)
	}
}

func TestWhatAServiceSaysOfAnErrorIsFound(t *testing.T) {
	for body, text := range map[string]string{
		`{"errors": [{"detail": "a"}, {"detail": "b"}]}`:      "a",
		`{"error": "invalid", "error_description": "no key"}`: "no key",
		`"a text"`:                 "a text",
		`[]`:                       "[]",
		"<h1>\n  Bad Gateway</h1>": "<h1> Bad Gateway</h1>",
		" \n":                      "",
	} {
		if found := told(body); found != text {
			t.Errorf("%s: %s", body, found)
		}
	}
	if long := []rune(told(strings.Repeat("é", 500))); len(long) != 301 || long[300] != '…' {
		t.Error(string(long))
	}
}

func TestARequestWithoutAnAnswerSaysWhy(t *testing.T) {
	for of, class := range map[wit.ErrorClass]provider.Class{
		wit.ErrorClassInvalid: provider.Invalid, wit.ErrorClassNotGranted: provider.Denied, wit.ErrorClassSecret: provider.Denied,
		wit.ErrorClassUnreachable: provider.Unreachable, wit.ErrorClassTimeout: provider.Unreachable, wit.ErrorClassTooLarge: provider.Invalid,
		wit.ErrorClassRedirect: provider.Invalid, wit.ErrorClassProtocol: provider.Unreachable,
	} {
		answering(t, 0, "", wit.Error{Class: of, Message: "m", Advice: "a"})
		if err := Get("u").JSON(nil); err != (provider.Error{Class: class, Message: "m", Advice: "a"}) {
			t.Error(of, err)
		}
	}
	answering(t, 0, "", wit.Error{Class: wit.ErrorClassTooLarge, Message: "m", MayHaveReached: true})
	if err := Post("u", nil).JSON(nil); !errors.Is(err, provider.Service) {
		t.Error(err)
	}
}

func TestAnAnswerThatIsNotWhatWasExpectedLeavesOpenWhatHappened(t *testing.T) {
	answering(t, 200, "<html>", nil)
	var answer []int
	if err := Get("https://a.example/x").JSON(&answer); !errors.Is(err, provider.Service) || !strings.HasPrefix(err.Error(), "the answer to GET https://a.example/x is not what") {
		t.Error(err)
	}
	sent := answering(t, 200, "", nil)
	if err := Post("u", make(chan int)).JSON(nil); !errors.Is(err, provider.Invalid) || sent.Method != "" {
		t.Error(err, *sent)
	}
}
