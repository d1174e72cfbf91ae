package manager

import (
	"slices"
	"strconv"
	"strings"
)

// capabilitiesHold reports whether a back end with these capabilities meets
// specs (cinder/scheduler/filters/capabilities_filter.py _satisfies_extra_specs).
func capabilitiesHold(specs, have map[string]string) bool {
	for key, want := range specs {
		scope, name, scoped := strings.Cut(key, ":")
		switch {
		case !scoped:
			name = key
		case scope != "capabilities":
			continue // for the driver, or for the scheduler in another place
		}
		value, known := have[name]
		if !known || !specHolds(value, want) {
			return false
		}
	}
	return true
}

var operators = map[string]bool{
	"s==": true, "s!=": true, "s<": true, "s<=": true, "s>": true, "s>=": true, "<in>": true, "<is>": true, "<or>": true,
	"=": true, "==": true, "!=": true, "<=": true, ">=": true,
}

// specHolds compares a capability with a spec, which may begin with an operator
// (cinder/scheduler/filters/extra_specs_ops.py match).
func specHolds(value, want string) bool {
	words := strings.Fields(want)
	if len(words) == 0 {
		return value == want
	}
	operands := words[1:]
	operand := ""
	if len(operands) > 0 {
		operand = operands[0]
	}
	if operators[words[0]] && operand == "" {
		return false
	}
	switch words[0] {
	case "s==":
		return value == operand
	case "s!=":
		return value != operand
	case "s<":
		return value < operand
	case "s<=":
		return value <= operand
	case "s>":
		return value > operand
	case "s>=":
		return value >= operand
	case "<in>":
		return strings.Contains(value, operand)
	case "<is>":
		return strings.EqualFold(value, operand)
	case "<or>":
		return slices.Contains(slices.DeleteFunc(slices.Clone(operands), func(w string) bool { return w == "<or>" }), value)
	case "=", "==", "!=", "<=", ">=":
		x, notX := strconv.ParseFloat(value, 64)
		y, notY := strconv.ParseFloat(operand, 64)
		if notX != nil || notY != nil {
			return false
		}
		return map[string]bool{"=": x >= y, ">=": x >= y, "<=": x <= y, "==": x == y, "!=": x != y}[words[0]]
	}
	return value == want
}
