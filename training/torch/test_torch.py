"""Tests of the PyTorch program that need PyTorch: python3 -m unittest"""

import json
import tempfile
import unittest
from pathlib import Path

import numpy as np
import torch

import parity
from checkpoint import architecture_of, load, read_safetensors, save
from data import Sampler, bits_per_byte, parse_corpus
from grow import grow
from model import INITIAL_BYTE, Architecture, SharNN, preset_names, reset
from optimizer import Average, make_optimizer, rate
from rounding import Rounding, round_to, round_weight

ARCH = Architecture(width=32, layers=2, boom=2, window=24, attention=(0, 1))
TEXT = np.frombuffer(b"".join(b"%d squared is %d\n" % (n, n * n) for n in range(400)), np.uint8)


def random_model(arch=ARCH):
    model = SharNN(arch)
    parity.formula_parameters(model)
    return model


def segment(T, B, seed=1):
    return [parity.random_bytes(s, T, B, 256) for s in (seed, seed + 1)]


class Model(unittest.TestCase):
    def test_parameters_are_those_of_the_fixture(self):
        expected = json.loads((parity.FOLDER / "parameters.json").read_text())
        self.assertEqual(list(expected), preset_names())
        for preset in ("tiny", "lite"):  # the large ones take long to make; the fixture has all
            self.assertEqual(parity.shapes(preset), expected[preset])

    def test_fixtures_are_what_this_program_computes(self):
        computed = {
            "gradients": parity.gradients(),
            "rounding": parity.rounded(),
            "training": parity.training(),
            "training-muon": parity.training("muon"),
        }
        for name, (arrays, expected) in computed.items():
            stored, metadata = read_safetensors(parity.FOLDER / f"{name}.safetensors")
            self.assertEqual(metadata, expected)
            self.assertEqual(set(stored), set(arrays))
            for key, array in arrays.items():
                if (name, key) != ("rounding", "logits"):  # rounding enlarges the last bit of a float
                    np.testing.assert_allclose(stored[key], array, rtol=1e-3, atol=1e-5, err_msg=key)

    @torch.no_grad()
    def test_a_grown_network_computes_the_same(self):
        wider = Architecture(64, ARCH.layers, ARCH.boom, ARCH.window, ARCH.attention)
        deeper = Architecture(32, 3, ARCH.boom, ARCH.window, (0, 1))
        inputs, _ = segment(40, 2)
        expected, _ = random_model()(inputs, random_model().initial_state(2, ARCH.window - 1))
        with tempfile.TemporaryDirectory() as folder:
            save(Path(folder) / "small.safetensors", random_model())
            for arch, tolerance in ((wider, 1e-4), (deeper, 0.5)):
                model = SharNN(arch)
                load(Path(folder) / "small.safetensors", model)
                logits, _ = model(inputs, model.initial_state(2, ARCH.window - 1))
                self.assertLess((logits - expected).abs().max().item(), tolerance * expected.abs().max().item())

    @torch.no_grad()
    def test_new_attention_hardly_says_anything(self):
        start = Architecture(32, 2, ARCH.boom, ARCH.window, (0,))
        more = Architecture(32, 2, ARCH.boom, ARCH.window, (0, 1))
        torch.manual_seed(3)
        small, large = SharNN(start), SharNN(more)
        values = {name: p.detach().numpy() for name, p in small.named_parameters()}
        large.load_state_dict({name: torch.from_numpy(v) for name, v in grow(start, values, more).items()})
        inputs, _ = segment(40, 2)
        expected, _ = small(inputs, small.initial_state(2, ARCH.window - 1))
        logits, _ = large(inputs, large.initial_state(2, ARCH.window - 1))
        change = (logits - expected).abs().max().item() / expected.abs().max().item()
        self.assertTrue(0 < change < 0.1, change)

    @torch.no_grad()
    def test_two_segments_are_one(self):
        model, B, carry = random_model(), 3, ARCH.window - 1
        inputs, _ = segment(40, B)
        whole, _ = model(inputs, model.initial_state(B, carry))
        first, state = model(inputs[:15], model.initial_state(B, carry))
        second, _ = model(inputs[15:], state)
        torch.testing.assert_close(torch.cat([first, second]), whole, rtol=1e-4, atol=1e-5)

    @torch.no_grad()
    def test_reset_is_the_cold_state(self):
        model, B, carry = random_model(), 2, 10
        inputs, _ = segment(12, B)
        cold = model.initial_state(B, carry)
        _, state = model(inputs, cold)
        after, _ = model(inputs, reset(state, torch.tensor([True, False])))
        fresh, _ = model(inputs, cold)
        torch.testing.assert_close(after[:, 0], fresh[:, 0])
        self.assertGreater((after[:, 1] - fresh[:, 1]).abs().max().item(), 1e-3)


class Rounded(unittest.TestCase):
    def test_round_to(self):
        x = torch.tensor([0.24, -0.26, 0.9, 200.0, -200.0], requires_grad=True)
        y = round_to(x, 0.5)
        y.sum().backward()
        self.assertEqual(y.tolist(), [0.0, -0.5, 1.0, 63.5, -63.5])
        self.assertEqual(x.grad.tolist(), [1.0, 1.0, 1.0, 0.0, 0.0])

    def test_weights_have_as_many_values_a_row_as_their_bits_give(self):
        w = torch.randn(4, 4096)
        for bits, error in ((8, 2e-4), (7, 8e-4), (6, 3e-3)):
            for row, original in zip(round_weight(w, bits), w):
                self.assertLessEqual(len(row.unique()), 2**bits - 1)
                self.assertLess((row - original).square().mean(), error)
                self.assertGreater((row - original).square().mean(), error / 5)

    def test_every_channel_has_its_own_step(self):
        n = torch.tensor([[[1.0, -8.0], [-2.0, 4.0]]])
        step = Rounding().channel_steps(n)
        torch.testing.assert_close(step, torch.tensor([1.1 * 2 / 127, 1.1 * 8 / 127]), rtol=0.01, atol=0)
        self.assertEqual(Rounding(reach=16).channel_steps(n).unique().numel(), 1)

    def test_each_kind_of_rounding_changes_the_loss(self):
        model = random_model()
        inputs, targets = segment(20, 2)
        losses = {}
        for rounding in (None, Rounding(), Rounding(bits=6), Rounding(exact=True), Rounding(reach=16)):
            loss, _ = model(inputs, model.initial_state(2, 4), targets, rounding)
            losses[rounding] = loss.item()
        self.assertEqual(len(set(losses.values())), 5)
        for loss in losses.values():
            self.assertLess(abs(loss - losses[None]), 0.05 * losses[None])

    def test_gradients_reach_every_parameter_through_rounding(self):
        for rounding in (Rounding(), Rounding(exact=True)):
            model = random_model()
            inputs, targets = segment(20, 2)
            model(inputs, model.initial_state(2, 4), targets)[0].backward()
            plain = {name: p.grad.clone() for name, p in model.named_parameters()}
            model.zero_grad()
            model(inputs, model.initial_state(2, 4), targets, rounding)[0].backward()
            for name, p in model.named_parameters():
                cosine = torch.nn.functional.cosine_similarity(p.grad.flatten(), plain[name].flatten(), 0)
                self.assertGreater(cosine.item(), 0.9, name)


class Files(unittest.TestCase):
    def test_checkpoint_round_trip(self):
        with tempfile.TemporaryDirectory() as folder:
            path, model, other = Path(folder) / "m.safetensors", random_model(), SharNN(ARCH)
            save(path, model, name="test")
            self.assertEqual(architecture_of(path), ARCH)
            load(path, other)
            for a, b in zip(model.parameters(), other.parameters()):
                self.assertTrue(torch.equal(a, b))

    def test_sampler_reads_streams_and_resumes(self):
        sampler = Sampler([(TEXT, 1.0)], B=3, T=16, seed=1)
        last, jumps = [None] * 3, 0
        for _ in range(400):
            inputs, targets, resets = sampler.next()
            self.assertTrue(torch.equal(inputs[1:], targets[:-1]))
            for b in range(3):
                self.assertIn(bytes(targets[:, b].tolist()), TEXT.tobytes())
                self.assertEqual(inputs[0, b], INITIAL_BYTE if resets[b] else last[b])
            jumps += resets.sum().item()
            last = targets[-1].tolist()
        self.assertGreater(jumps, 3)
        saved = sampler.state_dict()
        expected = [sampler.next() for _ in range(5)]
        other = Sampler([(TEXT, 1.0)], B=3, T=16, seed=7)
        other.load_state_dict(saved)
        for batch in expected:
            for a, b in zip(batch, other.next()):
                self.assertTrue(torch.equal(a, b))

    def test_weights_and_xz(self):
        import lzma

        with tempfile.TemporaryDirectory() as folder:
            plain, packed = f"{folder}/a.txt", f"{folder}/b.txt.xz"
            Path(plain).write_bytes(b"a" * 1000)
            Path(packed).write_bytes(lzma.compress(b"b" * 500))
            sampler = Sampler(parse_corpus([f"{plain}=1", f"{packed}=3"]), 1, 800, 1)
            drawn = [sampler.next()[1][0, 0].item() for _ in range(400)]
            self.assertAlmostEqual(drawn.count(ord("b")) / 400, 0.75, delta=0.1)


class Training(unittest.TestCase):
    def test_every_optimizer_learns(self):
        for kind, lr in (("adamw", 1e-2), ("muon", 1e-2), ("lamb", 2e-2)):
            torch.manual_seed(1)
            model = SharNN(ARCH)
            optimizer = make_optimizer(kind, model, lr, 0.01)
            average = Average(model, 0.9)
            sampler = Sampler([(TEXT, 1.0)], 8, 16, 1)
            state = model.initial_state(8, ARCH.window - 16)
            before = bits_per_byte(model, TEXT, limit=1024)
            for _ in range(30):
                inputs, targets, resets = sampler.next()
                loss, state = model(inputs, reset(state, resets), targets)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                average.update(model)
            self.assertLess(bits_per_byte(model, TEXT, limit=1024), 0.8 * before, kind)
            average.swap(model)
            self.assertLess(bits_per_byte(model, TEXT, limit=1024), 0.8 * before, kind)

    def test_an_optimizer_goes_on_where_it_was_saved(self):
        for kind in ("adamw", "muon", "lamb"):
            models = [random_model(), random_model()]
            first, second = [make_optimizer(kind, model, 1e-2, 0.01) for model in models]

            def step(model, optimizer, seed):
                loss, _ = model(*(segment(8, 2, seed)[:1]), model.initial_state(2, 8), segment(8, 2, seed)[1])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()

            step(models[0], first, 1)
            models[1].load_state_dict(models[0].state_dict())
            second.load_state_dict(first.state_dict())
            for model, optimizer in zip(models, (first, second)):
                step(model, optimizer, 5)
            for (name, a), b in zip(models[0].named_parameters(), models[1].parameters()):
                self.assertTrue(torch.equal(a, b), (kind, name))

    def test_the_rate_rises_then_falls_to_zero(self):
        self.assertEqual(rate(0, 0.1), 0)
        self.assertEqual(rate(0.1, 0.1), 1)
        self.assertEqual(rate(1, 0.1), 0)
        self.assertAlmostEqual(rate(0.55, 0.1), 0.5)


if __name__ == "__main__":
    unittest.main()
