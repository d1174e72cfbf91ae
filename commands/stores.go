package commands

import (
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"slices"
	"strings"

	"github.com/cinder-go/cinder-go/driverstate/engine"
)

// storeList are the stores of the engine: those that --store gives, or the one
// that configuration files describe.
type storeList struct {
	urls  []string
	files *configFiles // nil unless --config-file or --config-dir is given
}

// none reports whether there is no store.
func (l storeList) none() bool { return len(l.urls) == 0 }

// storeStart is how a store of CINDER_GO_STORE begins: blanks before anything
// else are part of a path.
var storeStart = regexp.MustCompile(`\s+(?:[A-Za-z0-9][A-Za-z0-9_.-]*=)?[a-z0-9]+://`)

// splitStores takes apart stores that blanks are between.
func splitStores(text string) []string {
	var stores []string
	begin := 0
	for _, at := range storeStart.FindAllStringIndex(text, -1) {
		stores = append(stores, text[begin:at[0]])
		begin = at[0]
	}
	stores = append(stores, text[begin:])
	for i := range stores {
		stores[i] = strings.TrimSpace(stores[i])
	}
	return slices.DeleteFunc(stores, func(s string) bool { return s == "" })
}

func (l storeList) parse() []engine.Store {
	if l.files != nil {
		return []engine.Store{l.files.read.EngineStore()}
	}
	stores := make([]engine.Store, len(l.urls))
	for i, s := range l.urls {
		stores[i] = engine.ParseStore(s)
	}
	return stores
}

// String names the stores in messages.
func (l storeList) String() string { return strings.Join(l.urls, ", ") }

// flags are the words that give them, for a command to type.
func (l storeList) flags() string {
	if l.files != nil {
		return l.files.flags()
	}
	words := make([]string, len(l.urls))
	for i, s := range l.urls {
		words[i] = "--store " + shellWord(s)
	}
	return strings.Join(words, " ")
}

// directory names the state directory of an engine on them, whatever their
// order.
func (l storeList) directory() string {
	sum := sha256.Sum256([]byte(strings.Join(slices.Sorted(slices.Values(l.urls)), "\n")))
	return hex.EncodeToString(sum[:])[:16]
}
