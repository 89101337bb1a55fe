package render

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"text/template"
	"time"

	"github.com/Masterminds/sprig/v3"
)

// Functions says what the functions of templates do that have no answer in a plan. The zero value is what `helm template` does.
type Functions struct {
	// Random lets functions make up what nobody knows: passwords, keys, UUIDs.
	Random Choice
	// Lookup lets `lookup` say that there is nothing.
	Lookup Choice
	// Now is what `now` says; the machine's clock where it is zero.
	Now time.Time
	// IsUnknown says whether a text holds a token of what is not known yet. Without it every text is known.
	IsUnknown func(text string) bool
}

// Choice says whether a function does what it does in Helm.
type Choice int

const (
	// Allow does what Helm does.
	Allow Choice = iota
	// Refuse ends the rendering.
	Refuse
)

// Used says which functions were called.
type Used struct {
	// Lookups are what `lookup` was asked, each once: `v1 Secret shop/db`.
	Lookups []string
	// Now says whether `now` was called.
	Now bool
	// Random are the names of functions that made something up.
	Random []string
}

func once(list *[]string, text string) {
	if !slices.Contains(*list, text) {
		*list = append(*list, text)
	}
}

// random are the functions whose answer differs between two calls.
var random = []string{
	"randAlphaNum", "randAlpha", "randAscii", "randNumeric", "randBytes", "randInt", "uuidv4", "shuffle",
	"genPrivateKey", "genCA", "genCAWithKey", "genSelfSignedCert", "genSelfSignedCertWithKey", "genSignedCert", "genSignedCertWithKey",
	"bcrypt", "htpasswd", "encryptAES",
}

// digests are functions whose answer cannot be told before the text is known.
var digests = []string{"sha1sum", "sha256sum", "sha512sum", "adler32sum", "b64enc", "b32enc"}

// replaced are functions in place of Helm's, which say that they were called.
func (f Functions) replaced(used *Used) template.FuncMap {
	originals := sprig.TxtFuncMap()
	functions := template.FuncMap{}
	for _, name := range random {
		original, is := originals[name]
		if !is {
			continue
		}
		functions[name] = f.random(name, original, used)
	}
	functions["lookup"] = func(apiVersion, kind, namespace, name string) (map[string]any, error) {
		asked := fmt.Sprintf("%s %s %s", apiVersion, kind, strings.Trim(namespace+"/"+name, "/"))
		once(&used.Lookups, strings.TrimSpace(asked))
		if f.Lookup == Refuse {
			return nil, fmt.Errorf("lookup asks the cluster for %s, and a plan asks no cluster; give the chart the value that it looks for, or set lookup = \"empty\" to have it find nothing", strings.TrimSpace(asked))
		}
		return map[string]any{}, nil
	}
	if !f.Now.IsZero() {
		functions["now"] = func() time.Time {
			used.Now = true
			return f.Now
		}
	}
	for _, name := range digests {
		original, is := originals[name].(func(string) string)
		if !is {
			continue
		}
		functions[name] = func(text string) (string, error) {
			if name == "b64enc" && onlyHandles.MatchString(text) {
				return encodedHandle + text + encodedEnd, nil
			}
			if f.IsUnknown != nil && f.IsUnknown(text) {
				return "", fmt.Errorf("%s is worked out from a value that is not known yet (%s); apply the step that gives the value first, or give the chart a value that is known", name, firstToken(text))
			}
			return original(text), nil
		}
	}
	return functions
}

// random is a function that makes something up, or refuses to. It keeps the original's type, which templates check calls by.
func (f Functions) random(name string, original any, used *Used) any {
	if f.Random == Allow {
		return noted(original, func() error { once(&used.Random, name); return nil })
	}
	refusal := fmt.Sprintf("%s makes something up, and a plan has to be what is applied; give the chart the value (for a password, a secret of the file: ${secrets.name}, or a Secret that is there already)", name)
	return noted(original, func() error { return errors.New(refusal) })
}

// A token, or the handle of a secret.
var token = regexp.MustCompile(`<<[^<>\n]+>>`)

func firstToken(text string) string { return token.FindString(text) }

// onlyHandles is a text with the handle of a secret in it. What it will be in base64 nobody here knows; a Secret takes it as it is,
// below stringData.
var onlyHandles = regexp.MustCompile(`<<secret:[^<>\n]+>>`)

const (
	encodedHandle = "llmhost.dev/base64("
	encodedEnd    = ")llmhost.dev/base64"
)

// unescaper gives tokens back their form in texts that a template wrote as JSON: `toJson` escapes `<` and `>`. Nothing where no token
// was given.
func unescaper(values any) *strings.Replacer {
	pairs := []string{}
	for _, one := range slices.Sorted(maps.Keys(tokensOf(values, map[string]bool{}))) {
		pairs = append(pairs, strings.NewReplacer("<", `\u003c`, ">", `\u003e`).Replace(one), one)
	}
	if len(pairs) == 0 {
		return nil
	}
	return strings.NewReplacer(pairs...)
}

// replaced is a value with every text in it replaced.
func replaced(value any, by *strings.Replacer) any {
	switch inner := value.(type) {
	case string:
		return by.Replace(inner)
	case []any:
		for i := range inner {
			inner[i] = replaced(inner[i], by)
		}
	case map[string]any:
		for key := range inner {
			inner[key] = replaced(inner[key], by)
		}
	}
	return value
}

// tokensOf adds every token that stands in a value.
func tokensOf(value any, found map[string]bool) map[string]bool {
	switch value := value.(type) {
	case string:
		for _, one := range token.FindAllString(value, -1) {
			found[one] = true
		}
	case []any:
		for _, item := range value {
			tokensOf(item, found)
		}
	case map[string]any:
		for _, item := range value {
			tokensOf(item, found)
		}
	}
	return found
}
