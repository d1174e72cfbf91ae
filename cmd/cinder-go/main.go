// Command cinder-go recovers, repairs and moves OpenStack Cinder backups.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/cinder-go/cinder-go/commands"
	"github.com/cinder-go/cinder-go/commands/iostreams"
	"github.com/cinder-go/cinder-go/driverstate/cores"
)

func main() { os.Exit(run()) }

func run() int {
	cores.LetWait()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// The first signal ends the work in order; giving the signals back lets
	// the second end the process at once.
	context.AfterFunc(ctx, stop)
	return commands.Main(ctx, os.Args[1:], iostreams.System(os.LookupEnv))
}
