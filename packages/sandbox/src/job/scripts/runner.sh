#!/bin/bash
# Launches a job and reads its output from the start. Arguments: those of launcher.sh, then how many bytes and seconds to
# read for.
# shellcheck source=launcher.sh
. ./launcher.sh
set -- "$jobs/$id" 0 0 "${12}" "${13}"
# shellcheck source=reader.sh
. ./reader.sh
