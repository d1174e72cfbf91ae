package gcs_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/drivers/gcs"
	"github.com/cinder-go/cinder-go/driverstate/objectstore"
	"github.com/cinder-go/cinder-go/driverstate/oslo"
)

// content is three parts of an upload and a bit, no two alike.
func content() []byte {
	b := make([]byte, 3<<18+77)
	for i := range b {
		b[i] = byte(i>>10 ^ i)
	}
	return b
}

// behind is a store behind a front, in a bucket that exists, in which requests
// are repeated as the driver does, without its pauses.
func behind(t *testing.T, f *front, values oslo.Values) (objectstore.Store, gcs.Config) {
	t.Helper()
	all := oslo.Values{"backup_gcs_endpoint": f.URL, "backup_gcs_writer_chunk_size": "262144", "backup_gcs_reader_chunk_size": "262144"}
	for name, value := range values {
		all[name] = value
	}
	c := config(t, all)
	s := open(t, c)
	require.NoError(t, s.PutContainer(t.Context(), c.Bucket))
	return objectstore.Retry(s, objectstore.Retries{Attempts: c.Retries, Wait: func(context.Context, time.Duration) error { return nil }}), c
}

func put(t *testing.T, s objectstore.Store, bucket, name string, b []byte) error {
	t.Helper()
	return s.Put(t.Context(), bucket, name, bytes.NewReader(b), int64(len(b)))
}

func get(t *testing.T, s objectstore.Store, bucket, name string) ([]byte, error) {
	t.Helper()
	r, err := s.Get(t.Context(), bucket, name, 0, -1)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

func TestFaultsThatPassAreSurvived(t *testing.T) {
	for name, fault := range map[string]http.HandlerFunc{
		"503":              refuse(503, "backendError", "Backend Error"),
		"500":              refuse(500, "internalError", "We encountered an internal error"),
		"429":              refuse(429, "rateLimitExceeded", "slow down"),
		"408":              refuse(408, "requestTimeout", "Your client has taken too long"),
		"connection reset": reset,
	} {
		for request, match := range map[string]func(*http.Request) bool{
			"a part": isPart, "the beginning of an upload": func(r *http.Request) bool { return r.URL.Query().Get("uploadType") == "resumable" },
			"a download": isDownload, "a listing": isList, "a delete": func(r *http.Request) bool { return r.Method == http.MethodDelete },
		} {
			t.Run(name+" of "+request, func(t *testing.T) {
				f := newFront(t)
				s, c := behind(t, f, nil)
				f.times(3, match, fault)
				require.NoError(t, put(t, s, c.Bucket, "o", content()))
				got, err := get(t, s, c.Bucket, "o")
				require.NoError(t, err)
				assert.True(t, bytes.Equal(content(), got))
				for o, err := range s.List(t.Context(), c.Bucket, "") {
					require.NoError(t, err)
					assert.Equal(t, int64(len(content())), o.Size)
				}
				require.NoError(t, s.Delete(t.Context(), c.Bucket, "o"))
				assert.GreaterOrEqual(t, f.seen(match), 4, "three faults and the request that succeeded")
			})
		}
	}
}

func TestFaultsThatStayEndWithTheServersWords(t *testing.T) {
	f := newFront(t)
	s, c := behind(t, f, oslo.Values{"backup_gcs_num_retries": "2"})
	f.times(-1, isPart, refuse(503, "backendError", "Backend Error"))
	err := put(t, s, c.Bucket, "o", content())
	require.ErrorContains(t, err, "object "+c.Bucket+"/o: the server answers 503 Backend Error (a part was sent 3 times)")
	require.ErrorIs(t, err, driverstate.ErrUnavailable)
	assert.Equal(t, 3, f.seen(isPart), "no other attempt of the whole upload after those of its part")
	f.set(nil)
	_, err = get(t, s, c.Bucket, "o")
	require.ErrorIs(t, err, objectstore.ErrNotFound, "nothing is visible of it")

	f.times(-1, isDownload, refuse(503, "backendError", "Backend Error"))
	_, err = get(t, s, c.Bucket, "o")
	require.ErrorContains(t, err, "503")
	require.ErrorIs(t, err, driverstate.ErrUnavailable)
	assert.Equal(t, 4, f.seen(isDownload), "one before, three now")
}

func TestADownloadThatBreaksOffGoesOnWhereItDid(t *testing.T) {
	f := newFront(t)
	s, c := behind(t, f, oslo.Values{"backup_gcs_reader_chunk_size": "-1"})
	require.NoError(t, put(t, s, c.Bucket, "o", content()))
	version := generation(t, s, c.Bucket)
	f.times(1, isDownload, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(len(content())))
		w.Header().Set("X-Goog-Generation", version)
		_, _ = w.Write(content()[:300000])
		panic(http.ErrAbortHandler)
	})
	got, err := get(t, s, c.Bucket, "o")
	require.NoError(t, err)
	assert.True(t, bytes.Equal(content(), got))
	ranges := f.seen(func(r *http.Request) bool { return strings.HasPrefix(r.Header.Get("Range"), "bytes=300000-") })
	assert.Equal(t, 1, ranges, "the rest was asked for, not all")
}

func generation(t *testing.T, s objectstore.Store, bucket string) string {
	t.Helper()
	r, err := s.Get(t.Context(), bucket, "o", 0, 1)
	require.NoError(t, err)
	defer r.Close()
	return r.(objectstore.Versioned).Version()
}

func TestAnObjectThatIsReplacedWhileItIsReadIsNotMixed(t *testing.T) {
	f := newFront(t)
	s, c := behind(t, f, nil)
	require.NoError(t, put(t, s, c.Bucket, "o", content()))
	r, err := s.Get(t.Context(), c.Bucket, "o", 0, -1)
	require.NoError(t, err)
	defer r.Close()
	_, err = io.ReadFull(r, make([]byte, 262144))
	require.NoError(t, err)
	require.NoError(t, put(t, s, c.Bucket, "o", bytes.Repeat([]byte("x"), len(content()))))
	_, err = io.ReadAll(r)
	require.ErrorContains(t, err, "changed while it was read")
}

func TestAnObjectThatTheServerStoredWrongIsRemoved(t *testing.T) {
	f := newFront(t)
	s, c := behind(t, f, oslo.Values{"backup_gcs_num_retries": "0"})
	f.change = func(_ *http.Response, body []byte) []byte {
		return bytes.ReplaceAll(body, []byte(`"md5Hash":"`), []byte(`"md5Hash":"AA`))
	}
	err := put(t, s, c.Bucket, "o", content())
	require.ErrorContains(t, err, "were sent")
	_, err = get(t, s, c.Bucket, "o")
	require.ErrorIs(t, err, objectstore.ErrNotFound)
}

func TestAVolumeThatCannotBeReadIsNoFaultOfTheStore(t *testing.T) {
	f := newFront(t)
	s, c := behind(t, f, nil)
	broken := errors.New("input/output error")
	err := s.Put(t.Context(), c.Bucket, "o", &failing{*bytes.NewReader(content()), broken}, int64(len(content())))
	require.ErrorIs(t, err, broken)
	assert.NotErrorIs(t, err, driverstate.ErrUnavailable)
	_, err = get(t, s, c.Bucket, "o")
	require.ErrorIs(t, err, objectstore.ErrNotFound)
}

// failing reads half of its bytes.
type failing struct {
	bytes.Reader
	err error
}

func (f *failing) Read(p []byte) (int, error) {
	if f.Len() < int(f.Size()/2) {
		return 0, f.err
	}
	return f.Reader.Read(p[:min(len(p), 4096)])
}

func TestRefusalsHaveTheirKinds(t *testing.T) {
	for name, x := range map[string]struct {
		answer http.HandlerFunc
		kind   error
		tries  int
	}{
		"401":                   {refuse(401, "authError", "Invalid Credentials"), objectstore.ErrForbidden, 1},
		"403":                   {refuse(403, "forbidden", "sa@x does not have storage.objects.get access"), objectstore.ErrForbidden, 1},
		"403 for the rate":      {refuse(403, "rateLimitExceeded", "slow down"), nil, 4},
		"412":                   {refuse(412, "conditionNotMet", "At least one of the pre-conditions did not hold"), nil, 1},
		"404":                   {refuse(404, "notFound", "No such object"), objectstore.ErrNotFound, 1},
		"a code of the options": {refuse(418, "teapot", "short and stout"), nil, 4},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFront(t)
			s, c := behind(t, f, oslo.Values{"backup_gcs_retry_error_codes": "429, 418"})
			f.times(-1, isDownload, x.answer)
			_, err := get(t, s, c.Bucket, "o")
			require.Error(t, err)
			for _, kind := range []error{objectstore.ErrForbidden, objectstore.ErrNotFound} {
				assert.Equal(t, kind == x.kind, errors.Is(err, kind), "%v is %v", err, kind)
			}
			assert.Equal(t, x.tries, f.seen(isDownload))
		})
	}
}
