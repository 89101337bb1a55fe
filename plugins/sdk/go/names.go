package plugin

import (
	"fmt"
	"hash/fnv"
	"regexp"
	"strings"

	"llmhost.dev/plugin/internal/file"
)

const (
	longest  = 64
	readable = longest - len("-00000000")
)

var (
	plain  = regexp.MustCompile(`^[A-Za-z0-9._-]+$`)
	others = regexp.MustCompile(`[^A-Za-z0-9._]+`)
)

// NameOf is the name of a resource with this identity: the text that says what the resource is and that no other of its kind
// has in the step, such as `web-tcp-443-from-10.0.0.0-8`. The same identity always gives the same name, and two identities
// give two.
//
// Build an identity only from what the pipeline file says (Written).
func NameOf(identity string) string {
	if len(identity) <= longest && plain.MatchString(identity) {
		return identity
	}
	hash := fnv.New64a()
	hash.Write([]byte(identity))
	sum := hash.Sum64()
	text := strings.TrimLeft(others.ReplaceAllString(identity, "-"), "-")
	// The end of a path, of an ARN or of a rule tells it from its neighbours.
	text = strings.Trim(text[max(0, len(text)-readable):], "-")
	return strings.TrimLeft(fmt.Sprintf("%s-%08x", text, uint32(sum>>32)^uint32(sum)), "-")
}

// Written is what the pipeline file says at a place of the step's `with` table: the value itself, or the text of its references
// (`${roles.role_arns.ops}`) where other steps give it. The pointer is a JSON pointer such as `/admins/0`; the value is what the
// configuration has there.
func Written(pointer, value string) string { return file.Written(pointer).Or(value) }

// Pointer is a JSON pointer (RFC 6901) with these parts: Pointer("access", "a/b", 0) is `/access/a~1b/0`.
func Pointer(parts ...any) string {
	var text strings.Builder
	escape := strings.NewReplacer("~", "~0", "/", "~1")
	for _, part := range parts {
		text.WriteString("/" + escape.Replace(fmt.Sprint(part)))
	}
	return text.String()
}

// Names are the names of a step's resources of one kind. They say where two of them are the same.
type Names struct {
	kind  string
	taken map[string]string
}

// NewNames is for resources of this kind, in words: `security group rule`.
func NewNames(kind string) *Names { return &Names{kind, map[string]string{}} }

// Take is the name of a resource (NameOf). The place is what the user calls it, as a message names it. Fails where the step has a
// resource with this identity already, and names both places.
func (n *Names) Take(identity, place string) (string, error) {
	if first, taken := n.taken[identity]; taken {
		return "", Fail(Invalid, fmt.Sprintf("%s and %s are the same %s (%s); remove one of them", first, place, n.kind, identity))
	}
	n.taken[identity] = place
	return NameOf(identity), nil
}
