# Runs in the emulated machine, as its only program. settings.sh beside it says what to run:
# checkout, standard_library, fetch (or empty), limit_seconds, command (an array), and what to export.
here=$(dirname "$0")
exec >"$here/output" 2>&1 </dev/null
. "$here/settings.sh"

finish() {
    echo "$1" >"$here/status"
    exit "$1"
}

modprobe -a wireguard ip_gre ip6_gre dummy squashfs overlay || finish 70
# Of use to some tests, and built into some kernels.
modprobe -aq sch_netem tun veth vxlan bridge vrf 8021q nf_tables

set -e
mkdir -p /run/image /run/changes
mount -t squashfs -o ro /dev/vda /run/image
mount -t tmpfs changes /run/changes
mkdir /run/changes/upper /run/changes/work
mount --bind "/run/image$standard_library" "$standard_library"
mount -t overlay checkout "$checkout" \
    -o "lowerdir=/run/image$checkout,upperdir=/run/changes/upper,workdir=/run/changes/work"
cd "$checkout"
set +e

# The limit holds in here too: a machine whose runner was killed still ends by itself.
timeout --kill-after=10 "$limit_seconds" "${command[@]}"
status=$?
if [ -n "$fetch" ] && [ -e "$fetch" ]; then
    cp "$fetch" "$here/fetched"
fi
finish "$status"
