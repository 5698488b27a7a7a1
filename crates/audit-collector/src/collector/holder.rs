//! Who this process is, and whether another one of the same machine is still alive.

use std::path::Path;

use audit_lake::IdSource;

use crate::lease::HolderInfo;

const UNKNOWN_HOST: &str = "unknown";

pub(super) fn of_this_process(ids: &dyn IdSource) -> HolderInfo {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname")
        .ok()
        .or_else(|| std::env::var("COMPUTERNAME").ok())
        .or_else(|| std::env::var("HOSTNAME").ok())
        .map(|host| host.trim().to_owned())
        .filter(|host| !host.is_empty());
    HolderInfo {
        id: ids.next_id(),
        host: host.unwrap_or_else(|| UNKNOWN_HOST.to_owned()),
        pid: std::process::id(),
    }
}

/// Whether the holder was a process of this machine that is no more. Where that cannot be told, it lives.
pub(super) fn is_dead(holder: &HolderInfo, own: &HolderInfo) -> bool {
    let processes = Path::new("/proc");
    holder.host == own.host
        && holder.host != UNKNOWN_HOST
        && holder.pid != own.pid
        && processes.join("self").exists()
        && !processes.join(holder.pid.to_string()).exists()
}

#[cfg(test)]
mod tests {
    use audit_lake::RandomIds;

    use super::*;

    #[test]
    fn a_dead_process_of_this_machine_is_known() {
        let own = of_this_process(&RandomIds);
        assert!(!is_dead(&own, &own));
        // Beyond what the kernel gives.
        let dead = HolderInfo {
            pid: u32::MAX,
            ..own.clone()
        };
        assert_eq!(is_dead(&dead, &own), Path::new("/proc/self").exists());
        let elsewhere = HolderInfo {
            host: "elsewhere".to_owned(),
            ..dead
        };
        assert!(!is_dead(&elsewhere, &own));
    }
}
