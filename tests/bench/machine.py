"""machine: what the figures were measured on, and what else it did meanwhile."""

import os
import platform


def first_line_of(path, key):
    try:
        with open(path) as file:
            for line in file:
                if line.startswith(key):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return "unknown"


def busy_seconds(cpu):
    """Seconds that a core has been busy, whatever with, what a hypervisor took included."""
    with open("/proc/stat") as file:
        for line in file:
            fields = line.split()
            if fields[0] == "cpu%d" % cpu:
                user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, fields[1:9])
                busy = user + nice + system + irq + softirq + steal
                return busy / os.sysconf("SC_CLK_TCK")
    raise RuntimeError("no core %d in /proc/stat" % cpu)


class ForeignTime:
    """How long others had a core while our process wanted it. Without a core of its own: not known, 0."""

    def __init__(self, cpu):
        self.cpu = cpu
        self.busy = busy_seconds(cpu) if cpu is not None else 0.0

    def seconds(self, own):
        """Since the beginning, when we ran for `own` seconds there. Good to a tick or two."""
        if self.cpu is None:
            return 0.0
        foreign = busy_seconds(self.cpu) - self.busy - own
        return foreign if foreign > 0.02 else 0.0


def facts(target_cpu, sampler_cpu):
    """Lines of "name: value" for the head of a report."""
    hypervisor = "hypervisor" in first_line_of("/proc/cpuinfo", "flags").split()
    memory = first_line_of("/proc/meminfo", "MemTotal")
    cores = "%d of %d cores usable" % (len(os.sched_getaffinity(0)), os.cpu_count() or 0)
    return [
        "CPU: %s, %s%s" % (
            first_line_of("/proc/cpuinfo", "model name"), cores,
            ", virtual machine" if hypervisor else "",
        ),
        "kernel: %s %s" % (platform.system(), platform.release()),
        "memory: %s" % memory,
        "load before: %s" % " ".join("%.2f" % load for load in os.getloadavg()),
        "target on core %s, sampler on core %s" % (target_cpu, sampler_cpu),
    ]
