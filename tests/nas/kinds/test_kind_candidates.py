from __future__ import annotations

import random
from collections import Counter

import pytest
import torch

import latency
import search_spaces
from latency.tracing.forward_pass import trace
from latency.tracing.operators import operators_of
from nas.kinds.classification.candidates import ClassifierCandidates
from nas.kinds.segmentation.candidates import EncoderCandidates, SegmentationCandidates
from nas.models.encoder import EncoderSettings, untrained_encoder


@pytest.mark.parametrize("seed", range(4))
def test_encoder_and_decoder_together_are_the_whole_network(candidates, seed):
    genotype = candidates.sample(random.Random(seed))
    parts = candidates.operators(genotype)
    whole = operators_of(trace(candidates.network(genotype), candidates.input_shape))
    assert Counter(one.key for one in parts) == Counter(one.key for one in whole)


def test_layers_of_the_encoder_that_no_decoder_reads_are_left_out(candidates):
    def macs(text: str) -> int:
        return sum(one.macs for one in candidates.operators(candidates.space.parse(text)))

    # The same decoder on the finest map and on the coarsest; the latter needs the whole encoder.
    fine, coarse = macs("[[0,[0,1,9,9]],[[0,0]]]"), macs("[[0,[0,1,9,9]],[[3,3]]]")
    whole = latency.count(
        candidates.network(candidates.space.parse("[[0,[0,1,9,9]],[[0,0]]]")),
        candidates.input_shape,
    ).macs
    assert fine < whole
    assert coarse != fine


@pytest.mark.parametrize("name", ["fastnas", "template"])
def test_counts_of_a_dissected_network_with_a_decoder(name):
    space = search_spaces.create(name)
    encoder = untrained_encoder(
        EncoderSettings(name="mobilenetv3_small_050"), space.encoder_strides
    )
    candidates = SegmentationCandidates(space, encoder, 5, (1, 3, 48, 64))
    check_counts(candidates)


@pytest.mark.parametrize("name", ["nasbench201", "darts", "mobile"])
def test_counts_of_a_dissected_classifier(name):
    check_counts(ClassifierCandidates(search_spaces.create(name), 5, (1, 3, 32, 32)))


def check_counts(candidates) -> None:
    rng = random.Random(5)
    for _ in range(3):
        genotype = candidates.sample(rng)
        found = candidates.dissected(genotype)
        assert found.counts == candidates.counts(genotype)
        assert found.counts == latency.count(candidates.network(genotype), candidates.input_shape)
        memory = latency.count_memory(candidates.network(genotype), candidates.input_shape)
        assert latency.count_memory(candidates.outline(genotype), candidates.input_shape) == memory


def test_networks_are_deployed_and_share_an_encoder_of_their_own(candidates):
    genotype = candidates.sample(random.Random(0))
    candidates._encoder.train()
    first, second = candidates.network(genotype), candidates.network(genotype)
    assert not any(module.training for module in first.modules())
    assert len(first.decoder.auxiliary_heads) == 0
    assert first.encoder is second.encoder is not candidates._encoder
    # That of the search goes on as it was.
    assert candidates._encoder.training


def test_files_of_candidates_hold_whole_networks(candidates, tmp_path):
    rng = random.Random(3)
    for number in range(3):
        network = candidates.network(candidates.sample(rng))
        path = candidates.export(network, candidates.input_shape, tmp_path / f"{number}.onnx")
        assert latency.check_onnx(network, path, candidates.input_shape) < 1e-3


def test_families_tell_space_encoder_and_size_apart(candidates):
    def family(width: int = 8, name: str = "mobilenetv3_small_050", side: int = 32) -> str:
        space = search_spaces.create("fastnas", branches=2, cells=1, width=width)
        encoder = untrained_encoder(EncoderSettings(name=name))
        return SegmentationCandidates(space, encoder, 3, (1, 3, side, side)).family

    families = [
        family(),
        family(width=16),
        family(name="mobilenetv3_small_075"),
        family(side=64),
    ]
    assert families[0] == candidates.family
    assert len(set(families)) == 4


def test_candidates_behind_several_encoders_are_those_behind_each():
    space = search_spaces.create(
        "small",
        encoders=["lcnet_035", "ghostnet_050"],
        strides=[8, 16],
        widths=[8, 12],
        sizes={"branches": 2, "cells": 1},
    )

    def encoder(cut):
        return untrained_encoder(EncoderSettings(name=cut.name), cut.strides)

    candidates = EncoderCandidates(space, encoder, 3, (1, 3, 32, 32))
    for stride, parameters in ((8, 5518), (16, 16294)):
        genotype = space.parse(["ghostnet_050", stride, 8, [[0, [0, 1, 9, 9]], [[2, 2]]]])
        found = candidates.dissected(genotype)
        assert found.counts == candidates.counts(genotype)
        network = candidates.network(genotype)
        assert found.counts == latency.count(network, candidates.input_shape)
        assert sum(p.numel() for p in network.encoder.parameters()) == parameters
    assert candidates.family.startswith(space.fingerprint)


def test_classifiers():
    space = search_spaces.create("nasbench201", channels=4, cells=1)
    candidates = ClassifierCandidates(space, 5, (1, 3, 16, 16))
    genotype = candidates.sample(random.Random(1))
    whole = operators_of(trace(candidates.network(genotype), (1, 3, 16, 16)))
    assert [one.key for one in candidates.operators(genotype)] == [one.key for one in whole]
    assert candidates.input_shape == (1, 3, 16, 16)
    assert candidates.family != ClassifierCandidates(space, 5, (1, 3, 32, 32)).family


def test_weights_of_the_encoder_are_not_fetched():
    encoder = untrained_encoder(EncoderSettings(name="mobilenetv3_small_050", weights="imagenet"))
    assert isinstance(next(encoder.parameters()), torch.nn.Parameter)
