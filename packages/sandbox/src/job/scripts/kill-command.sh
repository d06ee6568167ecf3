#!/bin/bash
# Kills a command that is not a job, with everything it started. Arguments: its mark, the pid of its leader (empty when
# unknown).
# shellcheck source=processes.sh
. ./processes.sh
# Where setsid is missing, the leader has no process group of its own.
[ -z "$2" ] || kill -KILL -- "-$2" 2>/dev/null || kill -KILL "$2" 2>/dev/null
sweep '' "$1"
