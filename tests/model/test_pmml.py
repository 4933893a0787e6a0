"""PMML files: what each construct means, worked out by hand; and files that were made to do harm."""

from __future__ import annotations

import contextlib
import math

import numpy as np
import pyarrow as pa
import pytest

from assay.errors import AssayError, ModelError, PredictionError, SignatureError, UnknownFormatError
from assay.model import guard
from assay.model.load import load
from tests.strategies.pmml import document

FIELDS = ('<DataField name="age" optype="continuous" dataType="double"/><DataField name="town" optype="categorical" dataType="string">'
          '<Value value="a"/><Value value="b"/></DataField>')
TARGET = '<DataField name="label" optype="categorical" dataType="string"><Value value="no"/><Value value="yes"/></DataField>'
SCHEMA = '<MiningSchema><MiningField name="age"/><MiningField name="town"{0}/>{1}</MiningSchema>'
ROWS = pa.record_batch({"age": [1.0, 5.0, 9.0, None], "town": ["a", "b", "a", None]})


def schema(town: str = "", label: bool = False) -> str:
    return SCHEMA.format(town, '<MiningField name="label" usageType="target"/>' if label else "")


def opened(folder, data: bytes, **options):
    (folder / "m.pmml").write_bytes(data)
    return load(folder / "m.pmml", **options)


def values(folder, model: str, fields: str = FIELDS, rows: pa.RecordBatch = ROWS, more: str = "") -> list[float]:
    return guard.answer(opened(folder, document(model, fields, more)), rows).value.tolist()


def regression(terms: str, *, before: str = "", attributes: str = "", town: str = "") -> str:
    return (f'<RegressionModel functionName="regression" {attributes}>{schema(town)}{before}'
            f'<RegressionTable intercept="1">{terms}</RegressionTable></RegressionModel>')


def test_a_scorecard_adds_the_points_of_the_first_attribute_that_is_true(tmp_path) -> None:
    card = (f'<Scorecard functionName="regression" initialScore="100">{schema()}<Characteristics>'
            '<Characteristic name="age"><Attribute partialScore="-5"><SimplePredicate field="age" operator="isMissing"/></Attribute>'
            '<Attribute partialScore="10"><SimplePredicate field="age" operator="lessThan" value="5"/></Attribute>'
            '<Attribute partialScore="20"><CompoundPredicate booleanOperator="and"><SimplePredicate field="age" operator="greaterOrEqual" value="5"/>'
            '<SimplePredicate field="age" operator="lessThan" value="9"/></CompoundPredicate></Attribute>'
            '<Attribute><True/><ComplexPartialScore><Apply function="*"><FieldRef field="age"/><Constant>3</Constant></Apply></ComplexPartialScore></Attribute>'
            '</Characteristic><Characteristic name="town"><Attribute partialScore="1"><SimpleSetPredicate field="town" booleanOperator="isIn">'
            '<Array type="string">a "c d"</Array></SimpleSetPredicate></Attribute><Attribute partialScore="2"><True/></Attribute></Characteristic>'
            "</Characteristics></Scorecard>")
    assert values(tmp_path, card) == [111.0, 122.0, 128.0, 97.0]


def test_terms_of_a_regression(tmp_path) -> None:
    terms = ('<NumericPredictor name="age" exponent="2" coefficient="0.5"/><CategoricalPredictor name="town" value="b" coefficient="7"/>'
             '<PredictorTerm coefficient="0.1"><FieldRef field="age"/><FieldRef field="age"/></PredictorTerm>')
    assert values(tmp_path, regression(terms), rows=ROWS.slice(0, 3)) == pytest.approx([1.6, 23.0, 49.6])
    with pytest.raises(PredictionError, match="nan in row 3"):   # a number that is missing makes the whole missing
        values(tmp_path, regression(terms))


@pytest.mark.parametrize(("method", "expected"), [
    ("none", 2.0), ("logit", 1 / (1 + math.exp(-2))), ("exp", math.exp(2)), ("cloglog", 1 - math.exp(-math.exp(2))),
    ("loglog", math.exp(-math.exp(-2))), ("cauchit", 0.5 + math.atan(2) / math.pi), ("probit", 0.9772498680518208)])
def test_links_of_a_regression(tmp_path, method, expected) -> None:
    text = regression('<NumericPredictor name="age" coefficient="1"/>', attributes=f'normalizationMethod="{method}"')
    assert values(tmp_path, text, rows=ROWS.slice(0, 1)) == pytest.approx([expected], rel=1e-14)


@pytest.mark.parametrize(("strategy", "expected"), [
    ("none", [1.0, 2.0, 2.0, 2.0]), ("lastPrediction", [1.0, 2.0, 2.0, 0.0]), ("defaultChild", [1.0, 2.0, 2.0, 1.0]), ("nullPrediction", None)])
def test_missing_values_in_a_tree(tmp_path, strategy, expected) -> None:
    tree = (f'<TreeModel functionName="regression" missingValueStrategy="{strategy}">{schema()}<Node id="0" score="0" defaultChild="1"><True/>'
            '<Node id="1" score="1"><SimplePredicate field="age" operator="lessThan" value="3"/></Node>'
            '<Node id="2" score="2"><CompoundPredicate booleanOperator="or"><SimplePredicate field="age" operator="isMissing"/>'
            '<SimplePredicate field="age" operator="greaterOrEqual" value="3"/></CompoundPredicate></Node></Node></TreeModel>')
    if expected is None:
        with pytest.raises(PredictionError, match="nan in row 3"):
            values(tmp_path, tree)
    else:
        assert values(tmp_path, tree) == expected


@pytest.mark.parametrize(("made", "expected"), [
    ('<NormContinuous field="age" mapMissingTo="-1"><LinearNorm orig="1" norm="0"/><LinearNorm orig="5" norm="1"/></NormContinuous>', [0, 1, 2, -1]),
    ('<NormContinuous field="age" outliers="asExtremeValues" mapMissingTo="0"><LinearNorm orig="1" norm="0"/><LinearNorm orig="5" norm="1"/></NormContinuous>', [0, 1, 1, 0]),
    ('<NormDiscrete field="town" value="b" mapMissingTo="9"/>', [0, 1, 0, 9]),
    ('<Discretize field="age" mapMissingTo="7" defaultValue="5"><DiscretizeBin binValue="1"><Interval closure="openClosed" leftMargin="0" rightMargin="5"/></DiscretizeBin></Discretize>', [1, 1, 5, 7]),
    ('<MapValues outputColumn="y" defaultValue="3" mapMissingTo="4"><FieldColumnPair field="town" column="x"/><InlineTable><row><x>a</x><y>2</y></row></InlineTable></MapValues>', [2, 3, 2, 4]),
    ('<Apply function="if"><Apply function="isMissing"><FieldRef field="age"/></Apply><Constant>0</Constant><Apply function="twice"><FieldRef field="age"/></Apply></Apply>', [2, 10, 18, 0]),
    ('<Apply function="max" mapMissingTo="0"><FieldRef field="age"/><Constant>4</Constant></Apply>', [4, 5, 9, 4]),
    ('<Apply function="+" mapMissingTo="8"><Apply function="ln"><Apply function="exp"><FieldRef field="age"/></Apply></Apply><Constant>1</Constant></Apply>', [2, 6, 10, 8]),
    ('<Apply function="if"><Apply function="or"><Apply function="equal"><FieldRef field="town"/><Constant>a</Constant></Apply><Apply function="isMissing"><FieldRef field="town"/></Apply></Apply><Constant>1</Constant><Constant>0</Constant></Apply>', [1, 0, 1, 1]),
    ('<Apply function="isIn"><Apply function="uppercase"><FieldRef field="town" mapMissingTo="q"/></Apply><Constant>B</Constant><Constant>Q</Constant></Apply>', [0, 1, 0, 1]),
])
def test_fields_that_are_derived(tmp_path, made, expected) -> None:
    dictionary = ('<TransformationDictionary><DefineFunction name="twice" optype="continuous" dataType="double"><ParameterField name="x"/>'
                  '<Apply function="*"><FieldRef field="x"/><Constant>2</Constant></Apply></DefineFunction></TransformationDictionary>')
    local = f'<LocalTransformations><DerivedField name="z" optype="continuous" dataType="double">{made}</DerivedField></LocalTransformations>'
    text = regression('<NumericPredictor name="z" coefficient="1"/>', before=local)
    assert values(tmp_path, text, more=dictionary) == pytest.approx([each + 1 for each in expected])


def segment(score: float, test: str = "<True/>", weight: float = 1) -> str:
    return (f'<Segment weight="{weight}">{test}<RegressionModel functionName="regression"><MiningSchema><MiningField name="age"/></MiningSchema>'
            f'<RegressionTable intercept="{score}"/></RegressionModel></Segment>')


@pytest.mark.parametrize(("method", "expected"), [
    ("sum", [6.0, 4.0]), ("average", [3.0, 2.0]), ("weightedAverage", [4.0, 2.5]), ("max", [5.0, 3.0]), ("median", [3.0, 2.0]), ("selectFirst", [1.0, 1.0])])
def test_members_of_an_ensemble(tmp_path, method, expected) -> None:
    under = '<SimplePredicate field="age" operator="lessThan" value="3"/>'
    over = '<SimplePredicate field="age" operator="greaterThan" value="3"/>'
    text = (f'<MiningModel functionName="regression">{schema()}<Segmentation multipleModelMethod="{method}">{segment(1)}{segment(5, under, 3)}{segment(3, over, 3)}'
            "</Segmentation></MiningModel>")
    assert values(tmp_path, text, rows=ROWS.slice(0, 2)) == expected


def test_a_chain_hands_on_what_its_links_put_out_and_targets_are_rescaled(tmp_path) -> None:
    first = ('<Segment><True/><RegressionModel functionName="regression"><MiningSchema><MiningField name="age"/></MiningSchema><Output>'
             '<OutputField name="raw" feature="predictedValue" dataType="double"/><OutputField name="half" feature="transformedValue" dataType="double">'
             '<Apply function="/"><FieldRef field="raw"/><Constant>2</Constant></Apply></OutputField></Output>'
             '<RegressionTable intercept="1"><NumericPredictor name="age" coefficient="1"/></RegressionTable></RegressionModel></Segment>')
    last = ('<Segment><True/><RegressionModel functionName="regression"><MiningSchema><MiningField name="half"/></MiningSchema>'
            '<Targets><Target rescaleFactor="10" rescaleConstant="1"/></Targets>'
            '<RegressionTable intercept="0"><NumericPredictor name="half" coefficient="1"/></RegressionTable></RegressionModel></Segment>')
    text = f'<MiningModel functionName="regression">{schema()}<Segmentation multipleModelMethod="modelChain">{first}{last}</Segmentation></MiningModel>'
    assert values(tmp_path, text, rows=ROWS.slice(0, 3)) == [11.0, 31.0, 51.0]


def vote(label: str, test: str, weight: int) -> str:
    return (f'<Segment weight="{weight}">{test}<TreeModel functionName="classification"><MiningSchema><MiningField name="age"/>'
            f'<MiningField name="label" usageType="target"/></MiningSchema><Node score="{label}"><True/></Node></TreeModel></Segment>')


def test_votes_are_counted_and_classes_keep_the_order_of_the_dictionary(tmp_path) -> None:
    old = '<SimplePredicate field="age" operator="greaterThan" value="3"/>'
    text = (f'<MiningModel functionName="classification">{schema(label=True)}<Segmentation multipleModelMethod="weightedMajorityVote">'
            f'{vote("yes", "<True/>", 1)}{vote("no", old, 3)}</Segmentation></MiningModel>')
    model = opened(tmp_path, document(text, FIELDS + TARGET))
    found = guard.answer(model, ROWS.slice(0, 3))
    assert model.signature.classes == ("no", "yes")
    assert found.score.tolist() == [[0.0, 1.0], [0.75, 0.25], [0.75, 0.25]]
    assert found.prediction.tolist() == [1, 0, 0]


def test_a_tree_without_shares_gives_classes_only(tmp_path) -> None:
    text = (f'<TreeModel functionName="classification">{schema(label=True)}<Node><True/>'
            '<Node score="yes"><SimplePredicate field="age" operator="lessThan" value="3"/></Node><Node score="no"><True/></Node></Node></TreeModel>')
    model = opened(tmp_path, document(text, FIELDS + TARGET))
    found = guard.answer(model, ROWS)
    assert (found.prediction.tolist(), found.score, model.signature.scores) == ([1, 0, 0, 0], None, None)


@pytest.mark.parametrize(("said", "expected"), [
    ("", None), (' invalidValueTreatment="asIs"', [1.0, 6.0]), (' invalidValueTreatment="asMissing" missingValueReplacement="b"', [1.0, 8.0]),
    (' invalidValueTreatment="asValue" invalidValueReplacement="b"', [1.0, 8.0])])
def test_values_that_a_file_calls_invalid(tmp_path, said, expected) -> None:
    rows = pa.record_batch({"age": [0.0, 5.0], "town": ["a", "unicorn"]})
    text = regression('<CategoricalPredictor name="town" value="b" coefficient="7"/><CategoricalPredictor name="town" value="unicorn" coefficient="5"/>', town=said)
    if expected is None:
        with pytest.raises(PredictionError, match=r"takes no 'unicorn' in 'town'.*row 1"):
            values(tmp_path, text, rows=rows)
    else:
        assert values(tmp_path, text, rows=rows) == expected


def test_inputs_are_told_with_their_kinds(tmp_path) -> None:
    signature = opened(tmp_path, document(regression(""), FIELDS)).signature
    assert [(each.name, each.type, each.categories) for each in signature.inputs] == [("age", "number", None), ("town", "category", ("a", "b"))]
    with pytest.raises(SignatureError, match="no column 'town'"):
        guard.answer(opened(tmp_path, document(regression(""), FIELDS)), pa.record_batch({"age": [1.0]}))


HARM = {
    "an entity": b'<!DOCTYPE PMML [<!ENTITY a "aaaaaaaa"><!ENTITY b "&a;&a;&a;">]><PMML>&b;</PMML>',
    "a file of the machine": b'<!DOCTYPE PMML [<!ENTITY x SYSTEM "file:///etc/passwd">]><PMML>&x;</PMML>',
    "a depth": b"<PMML>" + b"<Node>" * 100_000,
    "a cut": document(regression(""), FIELDS)[:-40],
    "no model": document("", FIELDS),
    "another model": document('<NeuralNetwork functionName="regression"/>', FIELDS),
    "a field that is not there": document(regression("").replace('name="town"', 'name="city"'), FIELDS),
    "a number that is none": document(regression('<NumericPredictor name="age" coefficient="x"/>'), FIELDS),
    "an unknown function": document(regression("", before='<LocalTransformations><DerivedField name="z" dataType="double"><Apply function="system"><Constant>1</Constant></Apply></DerivedField></LocalTransformations>'), FIELDS),
    "an unknown strategy": document(f'<TreeModel functionName="regression" missingValueStrategy="weightedConfidence">{schema()}<Node score="1"><True/></Node></TreeModel>', FIELDS),
    "an unknown vote": document(f'<MiningModel functionName="regression">{schema()}<Segmentation multipleModelMethod="selectAll">{segment(1)}</Segmentation></MiningModel>', FIELDS),
    "a quote without an end": document(f'<TreeModel functionName="regression">{schema()}<Node score="1"><True/><Node score="2"><SimpleSetPredicate field="town" booleanOperator="isIn">'
                                       '<Array type="string">"' + '\\"' * 200_000 + "</Array></SimpleSetPredicate></Node></Node></TreeModel>", FIELDS),
    "tests in tests": document(f'<TreeModel functionName="regression">{schema()}<Node score="1">' + '<CompoundPredicate booleanOperator="and">' * 480
                               + "<True/>" + "</CompoundPredicate>" * 480 + "</Node></TreeModel>", FIELDS),
    "a negative share": document(f'<TreeModel functionName="classification">{schema(label=True)}<Node score="no"><True/><ScoreDistribution value="no" recordCount="-1"/></Node></TreeModel>', FIELDS + TARGET),
}


@pytest.mark.parametrize("name", HARM)
def test_harm_is_refused(tmp_path, name) -> None:
    with pytest.raises(ModelError):
        opened(tmp_path, HARM[name])


def test_a_field_that_is_made_of_itself_ends(tmp_path) -> None:
    ring = ('<LocalTransformations><DerivedField name="y" dataType="double"><FieldRef field="z"/></DerivedField>'
            '<DerivedField name="z" dataType="double"><FieldRef field="y"/></DerivedField></LocalTransformations>')
    with pytest.raises(AssayError, match="does not define"):
        values(tmp_path, regression('<NumericPredictor name="z" coefficient="1"/>', before=ring))


def test_changed_bytes_end_in_an_error_of_ours(tmp_path) -> None:
    import random

    whole = document(f'<MiningModel functionName="regression">{schema()}<Segmentation multipleModelMethod="sum">{segment(1)}{segment(5)}</Segmentation></MiningModel>', FIELDS)
    rng = random.Random(2)
    for _ in range(300):
        changed = bytearray(whole)
        for _ in range(rng.choice([1, 2, 6])):
            changed[rng.randrange(150, len(whole))] = rng.choice(b'<>/"= 0aZ\x00\xff')
        with contextlib.suppress(ModelError, UnknownFormatError):   # anything else would end the test
            guard.answer(opened(tmp_path, bytes(changed)), ROWS.slice(0, 2))


def test_it_needs_neither_java_nor_a_library(tmp_path) -> None:
    from assay.model.format import FORMATS

    assert (FORMATS["pmml"].library, FORMATS["pmml"].extra) == (None, None)
    assert np.isfinite(values(tmp_path, regression(""))).all()
