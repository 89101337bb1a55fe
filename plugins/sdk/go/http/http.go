// Package http sends requests of a provider, with JSON in both directions.
//
//	var note Note
//	err := http.Post(config.URL+"/notes", spec).Bearer(config.Key).JSON(&note)
//
// The host sends what the pipeline file grants: `allow = ["http:POST https://api.example.com/*"]`. The handle of a secret
// (`<<secret:name>>`) may stand in the value of a header, in Basic and in the body, and nowhere else.
package http

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"

	wit "llmhost.dev/plugin/internal/http"
	"llmhost.dev/plugin/internal/schema"
	"llmhost.dev/plugin/internal/wit/types"
	"llmhost.dev/plugin/provider"
)

// Request is a request. Its methods change it, and give it back.
type Request struct {
	of wit.Request
	// Why it cannot be sent.
	problem error
}

// New is a request of any method, in capital letters. url.PathEscape makes any text a part of an address.
func New(method, address string) *Request {
	request := &Request{of: wit.Request{Method: method, Url: address}}
	return request.Header("accept", "application/json")
}

// Get is a GET.
func Get(address string) *Request { return New("GET", address) }

// Post is a POST with a body in JSON.
func Post(address string, body any) *Request { return New("POST", address).Body(body) }

// Put is a PUT with a body in JSON.
func Put(address string, body any) *Request { return New("PUT", address).Body(body) }

// Patch is a PATCH with a body in JSON.
func Patch(address string, body any) *Request { return New("PATCH", address).Body(body) }

// Delete is a DELETE.
func Delete(address string) *Request { return New("DELETE", address) }

// Query adds a parameter to the address.
func (r *Request) Query(name, value string) *Request {
	mark := "?"
	if strings.Contains(r.of.Url, "?") {
		mark = "&"
	}
	r.of.Url += mark + url.QueryEscape(name) + "=" + url.QueryEscape(value)
	return r
}

// Header sets a header. One that is there already is replaced.
func (r *Request) Header(name, value string) *Request {
	for i, header := range r.of.Headers {
		if strings.EqualFold(header.F0, name) {
			r.of.Headers[i].F1 = value
			return r
		}
	}
	r.of.Headers = append(r.of.Headers, types.Tuple2[string, string]{F0: name, F1: value})
	return r
}

// Bearer sends `Authorization: Bearer …`; nothing where there is no key.
func (r *Request) Bearer(key string) *Request {
	if key == "" {
		return r
	}
	return r.Header("authorization", "Bearer "+key)
}

// Basic sends a basic authentication. The host encodes it, so that the password may be the handle of a secret.
func (r *Request) Basic(user, password string) *Request {
	r.of.Basic = types.Some(types.Tuple2[string, string]{F0: user, F1: password})
	return r
}

// Body sends a value as JSON.
func (r *Request) Body(value any) *Request {
	text, err := schema.Encode(value)
	if err != nil {
		r.problem = provider.Fail(provider.Invalid, fmt.Sprintf("the body of %s cannot be written as JSON: %v", r.named(), err))
	}
	return r.Text("application/json", text)
}

// Text sends a text of another type.
func (r *Request) Text(contentType, text string) *Request {
	r.of.Body = types.Some(text)
	return r.Header("content-type", contentType)
}

// Follow follows redirects, as far as they are granted. Without it a redirect is the answer, and an error to JSON.
func (r *Request) Follow() *Request {
	r.of.Follow = true
	return r
}

// Response is an answer.
type Response struct {
	Status int
	// Headers are by their names in small letters. Of several with one name it has the last.
	Headers map[string]string
	Body    string
	// URL is where it came from, after redirects.
	URL string
}

// Send sends the request. Any status is an answer.
func (r *Request) Send() (Response, error) {
	if r.problem != nil {
		return Response{}, r.problem
	}
	answer, err := send(r.of)
	if err != nil {
		return Response{}, r.notAnswered(err)
	}
	headers := make(map[string]string, len(answer.Headers))
	for _, header := range answer.Headers {
		headers[header.F0] = header.F1
	}
	return Response{Status: int(answer.Status), Headers: headers, Body: answer.Body, URL: answer.Url}, nil
}

// JSON sends the request and reads the JSON of the answer; with nil it reads nothing. A status that is no success is an error, 404 of
// the class NotFound.
func (r *Request) JSON(answer any) error {
	response, err := r.Send()
	if err != nil {
		return err
	}
	if response.Status < 200 || response.Status > 299 {
		return r.refused(response)
	}
	if answer == nil {
		return nil
	}
	if err := schema.Decode(json.NewDecoder(strings.NewReader(response.Body)), answer); err != nil {
		return provider.Error{
			// It may have done what it was asked for.
			Class:   provider.Service,
			Message: fmt.Sprintf("the answer to %s is not what the provider expects: %v", r.named(), err),
			Advice:  "Check that the address is that of the service's API.",
		}
	}
	return nil
}

// named is method and address, without the query.
func (r *Request) named() string {
	address, _, _ := strings.Cut(r.of.Url, "?")
	return r.of.Method + " " + address
}

func (r *Request) notAnswered(err error) error {
	var failed wit.Error
	if !errors.As(err, &failed) {
		return err
	}
	class := provider.Invalid
	switch failed.Class {
	case wit.ErrorClassNotGranted, wit.ErrorClassSecret:
		class = provider.Denied
	case wit.ErrorClassUnreachable, wit.ErrorClassTimeout, wit.ErrorClassProtocol:
		class = provider.Unreachable
	case wit.ErrorClassTooLarge, wit.ErrorClassRedirect:
		// The service may have done what it was asked for, so that it has to be looked for.
		if failed.MayHaveReached && r.of.Method != "GET" && r.of.Method != "HEAD" {
			class = provider.Service
		}
	}
	return provider.Error{Class: class, Message: failed.Message, Advice: failed.Advice}
}

func (r *Request) refused(response Response) error {
	said := told(response.Body)
	if said == "" {
		said = "the service does not say why"
	}
	code := fmt.Sprintf("HTTP %d", response.Status)
	return provider.Error{Class: classOf(response.Status), Code: code, Message: fmt.Sprintf("%s (%s)", said, r.named())}
}

func classOf(status int) provider.Class {
	switch {
	case status == 401 || status == 403:
		return provider.Denied
	case status == 404:
		return provider.NotFound
	case status == 409:
		return provider.Conflict
	case status == 429:
		return provider.Throttled
	case status >= 300 && status < 500:
		return provider.Invalid
	}
	return provider.Service
}

// longestMessage is how much of what a service says stands in a message, in characters.
const longestMessage = 300

// told is what a service says of an error: the text that services put into their JSON, or the whole body.
func told(body string) string {
	text := body
	var parsed any
	if json.Unmarshal([]byte(body), &parsed) == nil {
		if found := messageIn(parsed); found != "" {
			text = found
		}
	}
	characters := []rune(strings.Join(strings.Fields(text), " "))
	if len(characters) > longestMessage {
		return string(characters[:longestMessage]) + "…"
	}
	return string(characters)
}

func messageIn(value any) string {
	switch value := value.(type) {
	case string:
		return strings.TrimSpace(value)
	case []any:
		if len(value) > 0 {
			return messageIn(value[0])
		}
	case map[string]any:
		for _, key := range []string{"message", "error_description", "detail", "error", "errors", "title", "reason"} {
			if text := messageIn(value[key]); text != "" {
				return text
			}
		}
	}
	return ""
}
