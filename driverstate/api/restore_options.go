package api

import (
	"math"

	"github.com/cinder-go/cinder-go/driverstate"
)

// restoreRules are what a restore may ask for. Cinder knows name and volume_id
// (cinder/api/schemas/backups.py restore); the others are this engine's, and
// Cinder refuses them: offset and length, in bytes, ask for a part of the image;
// resume and salvage are those of driverstate.RestoreOptions, and map names the
// file for the map of what salvage leaves out.
func restoreRules() schema {
	return schema{members: map[string]rule{
		"name": nameRule, "volume_id": uuidOrNullRule,
		"offset": whole(0, math.MaxInt64), "length": whole(0, math.MaxInt64),
		"resume": booleanRule, "salvage": booleanRule, "map": text(true, 0, 4096, nil),
	}}
}

func restoreExtras(asked map[string]any) driverstate.RestoreOptions {
	o := driverstate.RestoreOptions{Resume: truth(asked["resume"]), Salvage: truth(asked["salvage"])}
	o.Offset, _ = integer(asked["offset"])
	o.Length, _ = integer(asked["length"])
	return o
}
