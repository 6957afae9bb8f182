"""Rule set → Presidio's AnalyzerEngine: exact and explainable, and what the compiled detector must equal.

No model is loaded: the NLP engine does nothing, and the recognisers are the rule set's. Importing this
module takes seconds, so only what explains, compares or tests does.
"""

from typing import Any

import presidio_analyzer.pattern_recognizer as presidio_patterns
from presidio_analyzer import AnalyzerEngine, EntityRecognizer, PatternRecognizer, RecognizerRegistry
from presidio_analyzer import Pattern as PresidioPattern
from presidio_analyzer.context_aware_enhancers import ContextAwareEnhancer
from presidio_analyzer.nlp_engine import NoOpNlpEngine

from scrubbers.context import raised, supportive
from scrubbers.entities import EntityType, Finding
from scrubbers.findings import MATCH_SECONDS, RuleFailure, Settler
from scrubbers.rules import REGEX_FLAGS, UNENDED, Recogniser, RuleSet
from scrubbers.validators import VALIDATORS

LANGUAGE = "en"  # Presidio wants one; the expressions are for no language in particular


class ReferenceEngine:
    """A rule set in Presidio's analyzer."""

    def __init__(self, rules: RuleSet) -> None:
        self.rules = rules
        self._settler = Settler(rules)
        self._all = _analyzer(list(rules.recognizers))
        self._keys = _analyzer([each for each in rules.recognizers if each.keys])

    def find(self, text: str, *, keys: bool = False) -> list[Finding]:
        """What the recognisers find in a text.

        Raises:
            RuleFailure: an expression did not end in its time.
        """
        return self._settler.settle(text, [_finding(result) for result in self._results(text, keys=keys)])

    def explain(self, text: str) -> list[dict[str, Any]]:
        """Every candidate before thresholds, allow rules and overlaps, and which expression it came from."""
        return [
            {
                "start": result.start,
                "end": result.end,
                "type": result.entity_type,
                "score": result.score,
                "rule": _finding(result).rule,
                "context": result.analysis_explanation.supportive_context_word or None,
                "pattern": result.analysis_explanation.pattern_name,
            }
            for result in self._results(text, keys=False)
        ]

    def _results(self, text: str, *, keys: bool) -> list[Any]:
        analyzer = self._keys if keys else self._all
        return list(analyzer.analyze(text, language=LANGUAGE, return_decision_process=True)) if text else []


class _RuleRecogniser(PatternRecognizer):  # type: ignore[misc]
    """Presidio's pattern recogniser with a rule's validator, and a time-out that is not passed over."""

    def __init__(self, rule: Recogniser) -> None:
        self._valid = VALIDATORS[rule.validator] if rule.validator else None
        super().__init__(
            context=list(rule.context) or None,
            supported_entity=rule.supported_entity.value,
            name=rule.name,
            supported_language=LANGUAGE,
            patterns=[_Pattern(each.name, each.regex, each.score) for each in rule.all_patterns()],
            global_regex_flags=REGEX_FLAGS,
        )

    def enhance_using_context(self, text: str, raw_recognizer_results: list[Any], *_: Any, **__: Any) -> list[Any]:
        """Presidio's hook for a recogniser that does this itself."""
        return [self._enhanced(text, result) for result in raw_recognizer_results]

    def _enhanced(self, text: str, result: Any) -> Any:
        word = supportive(text, result.start, self.context) if self.context else None
        if word is not None:
            result.score = raised(result.score)
            result.analysis_explanation.set_improved_score(result.score)
            result.analysis_explanation.set_supportive_context_word(word)
        return result

    def invalidate_result(self, pattern_text: str) -> bool:
        return self._valid is not None and not self._valid(pattern_text)


class _Pattern(PresidioPattern):  # type: ignore[misc]
    """Presidio skips an expression that times out, with a warning: here it fails the text."""


class _Strict:
    """A compiled expression whose time-out becomes a RuleFailure, which Presidio does not catch."""

    def __init__(self, name: str, compiled: Any) -> None:
        self._name = name
        self._compiled = compiled

    def finditer(self, text: str, timeout: float) -> Any:  # noqa: ARG002 - Presidio's 60 s are too long
        try:
            return iter(list(self._compiled.finditer(text, timeout=MATCH_SECONDS)))
        except UNENDED:
            raise RuleFailure(self._name) from None


class _NoContext(ContextAwareEnhancer):  # type: ignore[misc]
    """Recognisers look for their context words themselves (`scrubbers/context.py`): no model, no lemmas."""

    def __init__(self) -> None:
        super().__init__(0, 0, 0, 0)

    def enhance_using_context(self, text: str, raw_results: list[Any], **_: Any) -> list[Any]:  # noqa: ARG002
        return raw_results


def _analyzer(rules: list[Recogniser]) -> AnalyzerEngine:
    recognizers: list[EntityRecognizer] = []
    for rule in rules:
        recognizer = _RuleRecogniser(rule)
        for pattern in recognizer.patterns:
            compiled = presidio_patterns.re.compile(pattern.regex, REGEX_FLAGS)
            pattern.compiled_regex = _Strict(rule.name, compiled)
            pattern.compiled_with_flags = REGEX_FLAGS
        recognizers.append(recognizer)
    registry = RecognizerRegistry(recognizers=recognizers, supported_languages=[LANGUAGE])
    engine = NoOpNlpEngine(models=[{"lang_code": LANGUAGE, "model_name": "none"}])
    engine.load()
    return AnalyzerEngine(
        registry=registry,
        nlp_engine=engine,
        supported_languages=[LANGUAGE],
        context_aware_enhancer=_NoContext(),
        log_decision_process=False,
    )


def _finding(result: Any) -> Finding:
    name = result.recognition_metadata[result.RECOGNIZER_NAME_KEY]
    return Finding(result.start, result.end, EntityType(result.entity_type), result.score, name)
