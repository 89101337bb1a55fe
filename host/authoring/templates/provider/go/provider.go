// A provider of notes, which a small service keeps.
package main

import (
	"net/url"
	"strings"

	"llmhost.dev/plugin/http"
	"llmhost.dev/plugin/provider"
)

// Config is what stands in `with` of the provider.
type Config struct {
	URL string `json:"url" description:"Address of the service."`
	Key string `json:"key" description:"Key of the service: a secret." default:""`
}

func (c Config) request(method, path string) *http.Request {
	return http.New(method, strings.TrimSuffix(c.URL, "/")+path).Bearer(c.Key)
}

// Note is what is declared.
type Note struct {
	Title string `json:"title" description:"What the note is called."`
	Text  string `json:"text" description:"What it says." default:""`
}

// Outputs are what a note tells beside its id.
type Outputs struct {
	Revision int `json:"revision" description:"How often the note was written."`
}

// answer is a note, as the service tells it.
type answer struct {
	ID string `json:"id"`
	Note
	Outputs
}

func (a answer) created() provider.Created[Outputs] {
	return provider.Created[Outputs]{ID: a.ID, Outputs: a.Outputs}
}

func init() {
	provider.Export("Notes, which a small service keeps.", provider.Kind[Config, Note, Outputs]{
		Name:      "note",
		Summary:   "A note.",
		Immutable: []string{"title"},
		Unique:    []string{"title"},
		Create:    create,
		Find:      find,
		Read:      read,
		Update:    update,
		Delete:    remove,
	})
}

func create(config Config, note Note, token string) (provider.Created[Outputs], error) {
	var made answer
	body := map[string]any{"title": note.Title, "text": note.Text, "token": token}
	err := config.request("POST", "/notes").Body(body).JSON(&made)
	return made.created(), err
}

// Called where the answer to a create was lost: what it made carries the token.
func find(config Config, _ Note, token string) (*provider.Created[Outputs], error) {
	var found []answer
	if err := config.request("GET", "/notes").Query("token", token).JSON(&found); err != nil || len(found) == 0 {
		return nil, err
	}
	made := found[0].created()
	return &made, nil
}

// A note that is gone gives the error NotFound (404), and llmhost makes it again.
func read(config Config, id string, _ Note) (*provider.Observed[Note, Outputs], error) {
	var seen answer
	if err := config.request("GET", "/notes/"+url.PathEscape(id)).JSON(&seen); err != nil {
		return nil, err
	}
	return &provider.Observed[Note, Outputs]{Spec: seen.Note, Outputs: seen.Outputs}, nil
}

func update(config Config, id string, _, note Note) (Outputs, error) {
	var made answer
	err := config.request("PUT", "/notes/"+url.PathEscape(id)).Body(note).JSON(&made)
	return made.Outputs, err
}

// A note that is gone already (404) is no error.
func remove(config Config, id string, _ Note) error {
	return config.request("DELETE", "/notes/"+url.PathEscape(id)).JSON(nil)
}

func main() {}
