// Notes, kept by a service that speaks JSON over HTTP.
package main

import (
	"llmhost.dev/plugin/http"
	"llmhost.dev/plugin/provider"
)

// Config is what stands in `with` of the provider.
type Config struct {
	URL string `json:"url" description:"Address of the service."`
	Key string `json:"key" description:"Key of the service: a secret." default:""`
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

// answer is what the service says of a note.
type answer struct {
	ID string `json:"id"`
	Note
	Outputs
}

func init() {
	provider.Export("Notes, kept by a service.", provider.Kind[Config, Note, Outputs]{
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

// create gives the service the token, by which find knows the note.
func create(config Config, note Note, token string) (provider.Created[Outputs], error) {
	var made answer
	body := map[string]any{"title": note.Title, "text": note.Text, "token": token}
	err := http.Post(config.URL+"/notes", body).Bearer(config.Key).JSON(&made)
	return provider.Created[Outputs]{ID: made.ID, Outputs: made.Outputs}, err
}

// find looks for what create made, where its answer was lost.
func find(config Config, _ Note, token string) (*provider.Created[Outputs], error) {
	var found []answer
	err := http.Get(config.URL+"/notes").Query("token", token).Bearer(config.Key).JSON(&found)
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return &provider.Created[Outputs]{ID: found[0].ID, Outputs: found[0].Outputs}, nil
}

// read says how the note is now. What the service does not find is gone.
func read(config Config, id string, _ Note) (*provider.Observed[Note, Outputs], error) {
	var seen answer
	err := http.Get(config.URL + "/notes/" + id).Bearer(config.Key).JSON(&seen)
	return &provider.Observed[Note, Outputs]{Spec: seen.Note, Outputs: seen.Outputs}, err
}

func update(config Config, id string, _, note Note) (Outputs, error) {
	var made answer
	err := http.Put(config.URL+"/notes/"+id, note).Bearer(config.Key).JSON(&made)
	return made.Outputs, err
}

// remove may find the note gone: that is no error to llmhost.
func remove(config Config, id string, _ Note) error {
	return http.Delete(config.URL + "/notes/" + id).Bearer(config.Key).JSON(nil)
}

func main() {}
