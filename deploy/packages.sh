# packages.sh - what the scripts need of Debian, by package name. Sourced by deploy/quickstart, docker/prove and the tests' run scripts.
# shellcheck shell=bash

# To build the daemon.
# shellcheck disable=SC2034  # read by the scripts that source this file
packages_build=(gcc libc6-dev meson ninja-build pkg-config python3 libjansson-dev libsqlite3-dev libopenblas-dev
	libsodium-dev libmicrohttpd-dev zlib1g-dev libzstd-dev libpng-dev uthash-dev libprotobuf-c-dev protobuf-c-compiler)
# To run every test beside that. "command:package" is content with the command from wherever it came.
# shellcheck disable=SC2034
packages_test=(check libonnx-testdata python3-pytest prometheus shellcheck npm:npm zstd)

# package_missing NAME | COMMAND:NAME - true when it has to be installed
package_missing() {
	local command=${1%%:*} package=${1##*:}
	if [[ $command != "$package" || $1 == *:* ]]; then
		! command -v "$command" >/dev/null
	else
		[[ $(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null) != installed ]]
	fi
}

# packages_need NAME... - installs those that are missing, and says which
packages_need() {
	local wanted missing=() sudo=()
	for wanted in "$@"; do
		if package_missing "$wanted"; then
			missing+=("${wanted##*:}")
		fi
	done
	((${#missing[@]} > 0)) || return 0

	if ((EUID != 0)); then
		command -v sudo >/dev/null || {
			printf 'These packages are missing, and neither root nor sudo is at hand: %s\n' "${missing[*]}" >&2
			return 1
		}
		sudo=(sudo)
	fi
	printf 'Installing: %s\n' "${missing[*]}"
	"${sudo[@]}" apt-get update --quiet --quiet
	"${sudo[@]}" env DEBIAN_FRONTEND=noninteractive \
		apt-get install --yes --quiet --quiet --no-install-recommends "${missing[@]}" >/dev/null
}
