#!/usr/bin/env bash
# Installs what the build and the tests need from Debian's own archive. Does nothing when all is there.
set -euo pipefail

packages=(
  g++ cmake ninja-build ccache lld git python3 ca-certificates
  libcli11-dev libfmt-dev libspdlog-dev nlohmann-json3-dev libtomlplusplus-dev
  libboost1.81-dev libssl-dev libsqlite3-dev libpq-dev prometheus-cpp-dev
  libicu-dev libnuma-dev libedit-dev libgtest-dev libgmock-dev libbenchmark-dev
  libopenmpi-dev openmpi-bin
)
if [[ "${1:-}" == --tests ]]; then
  packages+=(nodejs npm postgresql bubblewrap chromium-headless-shell fonts-wqy-microhei curl openssl
    clang-format clang-tidy-16)
fi

missing=()
for package in "${packages[@]}"; do
  # A tool that is there from elsewhere (a newer Node, say) is as good.
  case "$package" in
    nodejs) command -v node >/dev/null && continue ;;
    npm) command -v npm >/dev/null && continue ;;
  esac
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
done
[[ ${#missing[@]} -eq 0 ]] && exit 0

echo "installing: ${missing[*]}"
as_root=()
[[ $(id -u) -eq 0 ]] || as_root=(sudo)
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
