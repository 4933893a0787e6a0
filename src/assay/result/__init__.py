"""What assay says: values with intervals, verdicts, findings, incidents, and the run that holds them.

These types are the one currency between the packages: metrics make values, checks make verdicts of them, reports and
stores read both and compute nothing. All are frozen, and turn into JSON and back without loss; only numbers that are not finite
become null there, as JSON has none (the ends of an interval come back from its spread). Nothing here imports a library that is
slow to load.

One module each for what there is: ``spread``, ``value``, ``verdict``, ``figure``, ``finding``, ``attribution``, ``incident`` and ``run``;
``term`` has their words. Everyone imports from here.
"""

from assay.result.attribution import Attribution
from assay.result.figure import Figure
from assay.result.file import write_whole
from assay.result.finding import Finding
from assay.result.incident import Incident
from assay.result.run import RENDERERS, Cost, Run
from assay.result.spread import Spread, intervals
from assay.result.term import FEWEST_SHOWN, LEVEL, OUTCOMES, Better, Outcome, Scalar, SliceKey, goodness, worst
from assay.result.value import Value
from assay.result.verdict import Verdict

__all__ = ["FEWEST_SHOWN", "LEVEL", "OUTCOMES", "RENDERERS", "Attribution", "Better", "Cost", "Figure", "Finding", "Incident", "Outcome",
           "Run", "Scalar", "SliceKey", "Spread", "Value", "Verdict", "goodness", "intervals", "worst", "write_whole"]
