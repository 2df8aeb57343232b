#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Runs the command safe-reinit, and turns its report into an Ansible result. It decides nothing itself."""

from __future__ import annotations

DOCUMENTATION = r"""
module: wipe
short_description: Wipe disks of Alibaba Cloud ECS back to their initial state
version_added: "0.1.0"
description:
  - Runs the command C(safe-reinit), which checks first, stops the machine only if the wipe can succeed, calls
    ReInitDisk, waits for its end and starts the machine again.
  - Data on the disk is lost, unless a snapshot of it was taken first.
  - The task is idempotent by O(once). If a run with the same key is done, its report is returned and nothing is
    changed.
  - Needs C(safe-reinit) on the host that runs the task. That is the host with the credentials and the journal, and
    never the machine that is wiped.
options:
  disks:
    description: Ids of disks, C(d-...).
    type: list
    elements: str
    default: []
  instances:
    description: Ids of instances whose disks are wiped. Say which with O(system_disk) and O(data_disks).
    type: list
    elements: str
    default: []
  tags:
    description: Tags that an instance must have, all of them. Say which disks with O(system_disk) and O(data_disks).
    type: dict
    default: {}
  system_disk:
    description: Wipe the system disk of each instance.
    type: bool
    default: false
  data_disks:
    description: Wipe the data disks of each instance.
    type: bool
    default: false
  once:
    description:
      - The key under which this plan is run at most once, by any host with the same journal.
      - A key belongs to the account, region, disks and options of its first run. Another plan with the key is refused.
    type: str
    required: true
  confirm:
    description:
      - The value that confirms the plan. For one disk its id, for several the fingerprint of the plan or at least its
        first 32 characters, or the name of an unattended class in the configuration.
      - The task returns it as RV(confirm_with) in check mode, where it is not needed.
    type: str
  stop_instance:
    description: Allow stopping a running instance.
    type: bool
    default: false
  leave_stopped:
    description: Leave the instance stopped after the wipe.
    type: bool
    default: false
  snapshot:
    description: Take a snapshot after the stop, and wipe only once it is accomplished.
    type: bool
    default: false
  accept:
    description: Names of checks whose risks are accepted.
    type: list
    elements: str
    default: []
  max_disks:
    description: Refuse a run with more disks than this.
    type: int
  expect_instance:
    description: Refuse unless the disks are on this instance.
    type: str
  reason:
    description: A change ticket. It is kept in the plan, the journal and the report.
    type: str
  key_pair:
    description: The key pair to log in with after a system disk is wiped.
    type: str
  password:
    description: The password to set on a system disk. The command gets it in its environment, never as an argument.
    type: str
  security_enhancement:
    description: Whether ECS adds its security components to a system disk.
    type: str
    choices: [Active, Deactive]
  region:
    description: The region id. By default the command finds it in its environment, configuration or profile.
    type: str
  endpoint:
    description: The endpoint of ECS. By default that of the region.
    type: str
  profile:
    description: The aliyun CLI profile whose credentials are used.
    type: str
  access_key_id:
    description: The id of an AccessKey. By default the command uses Alibaba Cloud's default credential chain.
    type: str
  access_key_secret:
    description: The secret of O(access_key_id).
    type: str
  security_token:
    description: The STS token, if O(access_key_id) is a temporary key.
    type: str
  journal:
    description:
      - The journal of runs. A file, or C(postgresql://...) that several hosts share.
      - Hosts that must not repeat each other's keys need the same journal. Put its password into PGPASSFILE.
    type: str
  config:
    description: The configuration file of the command, for everything that has no option here.
    type: path
  executable:
    description: The command, by its name or path.
    type: str
    default: safe-reinit
requirements:
  - safe-reinit
notes:
  - Never put C(retries) with C(until) on this task. After exit code 5 a person has to find out what is on the disk.
  - Nobody sees how a run ended that was begun with C(async) and C(poll=0).
attributes:
  check_mode:
    description: Makes the plan and changes nothing. It fails if the plan would be refused.
    support: full
  diff_mode:
    description: Shows for each disk what it is now and what it becomes.
    support: full
  platform:
    description: Hosts on which the command runs.
    platforms: posix
    support: full
extends_documentation_fragment: []
author:
  - The safe-reinit developers (@safe-reinit)
"""

EXAMPLES = r"""
- name: Wipe a disk once for this ticket
  safe_reinit.ecs.wipe:
    region: cn-hangzhou
    disks: [d-bp1example]
    confirm: d-bp1example
    stop_instance: true
    snapshot: true
    reason: CHG-1
    once: CHG-1
  delegate_to: localhost

- name: Reset the system disks of the lab once a night, from whichever control node comes first
  safe_reinit.ecs.wipe:
    tags: {env: lab}
    system_disk: true
    confirm: lab
    journal: postgresql://operator@db.example.com/safe_reinit
    once: "lab-{{ now(utc=true).strftime('%Y-%m-%d') }}"
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
run_id:
  description: The run. Of a plan, null.
  returned: when the command wrote a report
  type: str
  sample: r-20260102T030405Z-4f2a
outcome:
  description: What it came to.
  returned: when the command wrote a report
  type: str
  sample: done
already_done:
  description: Whether an earlier run with the key is reported, and nothing was changed now.
  returned: when the command wrote a report
  type: bool
confirm_with:
  description: What O(confirm) takes for this plan.
  returned: when there is a plan
  type: str
report:
  description: The whole report, as C(safe-reinit --output json) prints it.
  returned: when the command wrote a report
  type: dict
next:
  description: Commands to continue with.
  returned: when the command wrote a report
  type: list
  elements: str
rc:
  description: The exit code of the command.
  returned: always
  type: int
"""

import json
from typing import Any

from ansible.module_utils.basic import AnsibleModule

PASSWORD = "SAFE_REINIT_ANSIBLE_PASSWORD"
"""The environment variable in which the command gets the password to set."""
ARGUMENTS = {
    "disks": {"type": "list", "elements": "str", "default": []},
    "instances": {"type": "list", "elements": "str", "default": []},
    "tags": {"type": "dict", "default": {}},
    "system_disk": {"type": "bool", "default": False},
    "data_disks": {"type": "bool", "default": False},
    "once": {"type": "str", "required": True, "no_log": False},
    "confirm": {"type": "str"},
    "stop_instance": {"type": "bool", "default": False},
    "leave_stopped": {"type": "bool", "default": False},
    "snapshot": {"type": "bool", "default": False},
    "accept": {"type": "list", "elements": "str", "default": []},
    "max_disks": {"type": "int"},
    "expect_instance": {"type": "str"},
    "reason": {"type": "str"},
    "key_pair": {"type": "str", "no_log": False},
    "password": {"type": "str", "no_log": True},
    "security_enhancement": {"type": "str", "choices": ["Active", "Deactive"]},
    "region": {"type": "str"},
    "endpoint": {"type": "str"},
    "profile": {"type": "str"},
    "access_key_id": {"type": "str", "no_log": False},
    "access_key_secret": {"type": "str", "no_log": True},
    "security_token": {"type": "str", "no_log": True},
    "journal": {"type": "str"},
    "config": {"type": "path"},
    "executable": {"type": "str", "default": "safe-reinit"},
}
SWITCHES = ("system_disk", "data_disks", "stop_instance", "leave_stopped", "snapshot")
VALUES = (
    "once", "max_disks", "expect_instance", "reason", "key_pair", "security_enhancement", "region", "endpoint",
    "profile", "journal", "config",
)  # fmt: skip
VARIABLES = {
    "password": PASSWORD,
    "access_key_id": "ALIBABA_CLOUD_ACCESS_KEY_ID",
    "access_key_secret": "ALIBABA_CLOUD_ACCESS_KEY_SECRET",
    "security_token": "ALIBABA_CLOUD_SECURITY_TOKEN",
}
"""What goes into the environment of the command, since others can see its arguments."""


def words_of(params: dict[str, Any], check_mode: bool) -> list[str]:
    """Return the arguments of the command for the parameters of a task."""
    words = ["plan"] if check_mode else []
    for name, values in (
        ("disk", params["disks"]),
        ("instance", params["instances"]),
        ("tag", [f"{key}={value}" for key, value in sorted(params["tags"].items())]),
        ("accept", params["accept"]),
    ):
        words += [f"--{name}={value}" for value in values]
    words += [f"--{name.replace('_', '-')}" for name in SWITCHES if params[name]]
    words += [f"--{name.replace('_', '-')}={params[name]}" for name in VALUES if params[name] is not None]
    if params["password"] is not None:
        words.append(f"--password-env={PASSWORD}")
    if params["confirm"] is not None and not check_mode:
        words.append(f"--confirm={params['confirm']}")
    return [*words, "--output=json"]


def environment_of(params: dict[str, Any]) -> dict[str, str]:
    """Return what the command gets in its environment."""
    return {variable: params[name] for name, variable in VARIABLES.items() if params[name] is not None}


def state_of(job: dict[str, Any], disk: dict[str, Any], wiped: bool) -> str:
    """Return a line that says what a disk is, before or after."""
    becomes = disk["becomes"]
    data = f"{becomes['kind']} {becomes['id'] or ''}".rstrip() if wiped else "what was written to it"
    power = job["power_promised"] if wiped else job["power_before"]
    return f"{disk['disk_id']} on {job['instance_id'] or 'no instance'} ({power}): {data}\n"


def diff_of(report: dict[str, Any]) -> dict[str, str]:
    """Return what a plan would do, or a run did, as Ansible shows a diff."""
    changing = [
        (job, disk)
        for job in report["jobs"]
        for disk in job["disks"]
        if not report["already_done"] and (job["outcome"] == "planned" or disk["data"] == "reinitialised")
    ]
    return {
        "before": "".join(state_of(job, disk, False) for job, disk in changing),
        "after": "".join(state_of(job, disk, True) for job, disk in changing),
    }


def result_of(report: dict[str, Any], code: int, check_mode: bool) -> dict[str, Any]:
    """Return what a task is told of a report."""
    wiped = any(disk["data"] == "reinitialised" for job in report["jobs"] for disk in job["disks"])
    changed = report["outcome"] == "planned" if check_mode else wiped
    return {
        "changed": changed and not report["already_done"],
        "rc": code,
        "run_id": report["run_id"],
        "outcome": report["outcome"],
        "already_done": report["already_done"],
        "confirm_with": (report["plan"] or {}).get("confirm_with"),
        "next": report["next"],
        "report": report,
    }


def message_of(report: dict[str, Any]) -> str:
    """Return why a task failed."""
    error = report["error"] or {"message": f"It ended {report['outcome']}.", "hint": None}
    return " ".join(filter(None, (error["message"], error["hint"])))


def main() -> None:
    """Run the command once, and tell what its report says."""
    module = AnsibleModule(
        argument_spec=ARGUMENTS,
        supports_check_mode=True,
        required_one_of=[("disks", "instances", "tags")],
        required_together=[("access_key_id", "access_key_secret")],
    )
    command = module.get_bin_path(module.params["executable"], required=True)
    code, out, said = module.run_command(
        [command, *words_of(module.params, module.check_mode)], environ_update=environment_of(module.params)
    )
    try:
        report = json.loads(out)
    except ValueError:
        module.fail_json(msg=f"{command} wrote no report: {said.strip() or 'it ended early'}", rc=code)
    result = result_of(report, code, module.check_mode)
    if module._diff:
        result["diff"] = diff_of(report)
    if code != 0:
        module.fail_json(msg=message_of(report), **result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
