package fault

import "strings"

// Entry is one fault point: where it lies and what is durable when it is
// passed.
type Entry struct {
	Name  string
	After string // what has been written by then
}

// Points are all of them but those of transactions. Of store points there is
// one for each kind of object: chunk, hashes (the hash list) and metadata (the
// document that makes a backup of them).
var Points = []Entry{
	{"store.container.begin", "nothing yet"},
	{"store.container.done", "the container, empty"},
	{"store.put.begin:chunk", "the objects before this one"},
	{"store.put.begin:hashes", "all chunks"},
	{"store.put.begin:metadata", "all chunks and the hash list"},
	{"posix.put.temporary", "the objects before this one, and its temporary file, whole and synced"},
	{"store.put.done:chunk", "this chunk"},
	{"store.put.done:hashes", "all chunks and the hash list"},
	{"store.put.done:metadata", "the backup, whole; its row says creating"},
	{"store.delete.begin:chunk", "neither document is there any more"},
	{"store.delete.begin:hashes", "the metadata document is gone"},
	{"store.delete.begin:metadata", "the row says deleting, or the copy has failed; all objects are there"},
	{"store.delete.done:chunk", "this chunk is gone"},
	{"store.delete.done:hashes", "both documents are gone"},
	{"store.delete.done:metadata", "the metadata document is gone: no backup any more"},
	{"store.remove.begin", "all objects are gone, the container is there"},
	{"posix.remove.directory", "one directory of the container is gone, those above it may be there"},
	{"store.remove.done", "the container is gone; the row says deleting"},
	{"target.open", "the row says restoring; of a new file the partial one is there, empty"},
	{"target.begin", "the target has its length and no data"},
	{"target.write", "a part of the image is on the target"},
	{"target.sync", "the image is on the target, which has not its name yet"},
	{"target.commit", "the image has its name; the rows say restoring"},
	{"target.abort", "the restore has failed; the target is aborted, the rows say restoring"},
	{"job.begin", "the job is taken off the queue and marked as running"},
	{"job.end", "the job has written its outcome and is marked as running"},
}

// Points of a transaction are named by these and the function that runs it, as
// in tx.done:finishCreate.
const (
	TxBegin  = "tx.begin:"  // before anything of it is written
	TxCommit = "tx.commit:" // everything is written, nothing committed
	TxDone   = "tx.done:"   // committed, and nothing after it done
)

// Known reports whether name can be a point's.
func Known(name string) bool {
	for _, prefix := range []string{TxBegin, TxCommit, TxDone} {
		if function, ok := strings.CutPrefix(name, prefix); ok {
			return function != ""
		}
	}
	for _, e := range Points {
		if e.Name == name {
			return true
		}
	}
	return false
}
