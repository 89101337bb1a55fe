// Crashes where days is 0: there is no such rule.
package main

import (
	"fmt"
	"os"
	"runtime"

	"llmhost.dev/plugin"
	"llmhost.dev/plugin/log"
)

type Config struct {
	Days int32 `json:"days"`
}

func init() {
	plugin.Export(plugin.Step[Config]{Summary: "Crashes.", Run: run})
}

func lifecycle(rules []int32, days int32) int32 {
	for at, rule := range rules {
		if rule == days {
			return rules[at]
		}
	}
	return rules[days]
}

func run(config Config) (plugin.Outputs, error) {
	log.Write(log.LevelInfo, "keeping logs")
	fmt.Fprintln(os.Stderr, "this goes to \x1b[31mstandard error")
	if config.Days < 0 {
		return nil, plugin.Fail(plugin.Invalid, "days must be positive")
	}
	runtime.GC()
	lifecycle(nil, config.Days)
	return nil, nil
}

func main() {}
