#!/usr/bin/env python3
"""The report on coverage, on counts made up: what it adds up, and what it calls a fault."""

import re
import unittest

import coverage


def point(page, what, count, *, file="/x/rtl/keyway_a.sv", line=1, column=1, scope="TOP.router"):
    fields = {"f": file, "l": line, "n": column, "page": f"{page}/keyway_a", "o": what, "h": scope}
    return "C '" + "".join(f"\x01{key}\x02{value}" for key, value in fields.items()) + f"' {count}"


def report(*lines, explained=()):
    return coverage.Report(coverage.points("\n".join(["# SystemC::Coverage-3", *lines])), list(explained))


class Coverage(unittest.TestCase):
    def test_a_point_is_reached_when_one_of_its_instances_reaches_it(self):
        found = report(point("v_line", "if", 0, scope="TOP.a"), point("v_line", "if", 3, scope="TOP.b"))
        self.assertEqual(found.figures["lines"], {"reached": 1, "all": 1, "explained": 0, "percent": 100.0})
        self.assertEqual(found.faults, [])

    def test_two_branches_of_a_line_are_two_points(self):
        found = report(point("v_branch", "if", 1, column=3), point("v_branch", "else", 0, column=4))
        self.assertEqual(found.figures["lines"]["all"], 2)
        self.assertEqual(found.figures["lines"]["percent"], 50.0)
        self.assertEqual(len(found.faults), 1)

    def test_a_bit_that_changed_once_has_not_come_back(self):
        self.assertEqual(report(point("v_toggle", "x[3]", 1)).figures["bits"]["reached"], 0)
        self.assertEqual(report(point("v_toggle", "x[3]", 2)).figures["bits"]["reached"], 1)

    def test_a_cover_point_that_nothing_reaches_is_a_fault_and_names_its_bin(self):
        found = report(point("v_user", "departs_at_level_2", 0), point("v_user", "departs_at_level_0", 9))
        self.assertEqual(found.faults, ["nothing reaches the cover point departs_at_level_2"])
        self.assertIn("`departs_at_level_*` | 2 | 2 |", found.markdown())

    def test_what_is_explained_is_no_fault_and_leaves_the_share(self):
        lines = [point("v_user", "calls", 0), point("v_line", "if", 1)]
        found = report(*lines, explained=[("keyway_a.sv: calls", "there is nobody to call")])
        self.assertEqual(found.faults, [])
        self.assertEqual(found.figures["cover points"], {"reached": 0, "all": 1, "explained": 1, "percent": 100.0})
        self.assertIn("there is nobody to call", found.markdown())

    def test_an_explanation_of_what_is_reached_is_a_fault(self):
        found = report(point("v_line", "if", 1), explained=[("keyway_a.sv: if.*", "never")])
        self.assertEqual(found.faults, ["explained, but reached or not there: keyway_a.sv: if.*"])

    def test_the_counters_own_module_counts_by_its_cover_points_only(self):
        found = report(point("v_toggle", "before_q", 0, file="/x/tests/rtl/coverage.sv"), point("v_line", "if", 1))
        self.assertNotIn("bits", found.figures)

    def test_every_cover_point_has_a_sentence_and_the_docs_name_it(self):
        source = coverage.POINTS.read_text()
        named = [name.replace("``", "*") for name in re.findall(r"(\w+(?:``)?)(?:NAME|LEVEL)?: cover property", source)]
        self.assertEqual(sorted(coverage.sentences(source)), sorted(named))
        table = coverage.DOC.read_text().split(coverage.BEGIN)[1].split(coverage.END)[0]
        self.assertEqual(sorted(re.findall(r"^\| .* `(\w+\*?)` \| \d+ \|", table, re.M)), sorted(named))


if __name__ == "__main__":
    unittest.main()
