package oslo_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/oslo"
)

var options = []oslo.Opt{
	{Name: "size", Kind: oslo.Int, Default: "5", Min: 1, Max: 10},
	{Name: "any", Kind: oslo.Int},
	{Name: "wait", Kind: oslo.Float, Default: "0.5"},
	{Name: "tls", Kind: oslo.Bool, Default: "true"},
	{Name: "codes", Kind: oslo.List, Default: "429, 503"},
	{Name: "auth", Default: "per_user", Choices: []string{"per_user", "single_user"}},
	{Name: "key", Secret: true, Choices: []string{"x"}},
}

func TestOptionsWithoutAValueHaveTheirDefault(t *testing.T) {
	r := oslo.Read(options, nil)
	assert.Equal(t, int64(5), r.Int("size"))
	assert.Equal(t, int64(0), r.Int("any"))
	assert.Equal(t, 0.5, r.Float("wait"))
	assert.True(t, r.Bool("tls"))
	assert.Equal(t, []string{"429", "503"}, r.List("codes"))
	assert.Equal(t, "per_user", r.String("auth"))
	assert.False(t, r.Given("auth"))
	assert.NoError(t, r.Err())
	assert.Panics(t, func() { r.Int("nothing") })
}

func TestValuesHaveTheTypeOfTheirOption(t *testing.T) {
	r := oslo.Read(options, oslo.Values{"size": " 7 ", "any": "-3", "wait": "2", "tls": "No", "codes": "1,,2", "auth": "single_user"})
	assert.Equal(t, int64(7), r.Int("size"))
	assert.Equal(t, int64(-3), r.Int("any"))
	assert.Equal(t, 2.0, r.Float("wait"))
	assert.False(t, r.Bool("tls"))
	assert.Equal(t, []string{"1", "2"}, r.List("codes"))
	assert.Equal(t, "single_user", r.String("auth"))
	assert.True(t, r.Given("auth"))
	assert.NoError(t, r.Err())
}

func TestAValueOfAnotherTypeIsRefusedByName(t *testing.T) {
	for _, c := range []struct{ name, value, want string }{
		{"size", "11", `option size: "11" is not between 1 and 10`},
		{"size", "1M", `option size: "1M" is not a whole number`},
		{"any", "9223372036854775808", "is not a whole number"},
		{"wait", "nan", `option wait: "nan" is not a number`},
		{"tls", "perhaps", `option tls: "perhaps" is not true or false`},
		{"auth", "both", `option auth: "both" is not one of per_user, single_user`},
		{"key", "hidden", `option key: "***" is not one of x`},
	} {
		r := oslo.Read(options, oslo.Values{c.name: c.value})
		switch c.name {
		case "size", "any":
			r.Int(c.name)
		case "wait":
			r.Float(c.name)
		case "tls":
			r.Bool(c.name)
		default:
			r.String(c.name)
		}
		assert.ErrorIs(t, r.Err(), driverstate.ErrInvalidInput)
		assert.ErrorContains(t, r.Err(), c.want)
		assert.NotContains(t, r.Err().Error(), "hidden")
	}
}
