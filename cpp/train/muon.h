/**
 * @file Muon (Jordan et al. 2024): the step of a matrix is its momentum with all singular values near 1. An
 * LSTM's matrices are four of them, one for each gate, a boom layer's one for each chunk: all [d][d]. As
 * large as AdamW's steps in root mean square (Liu et al. 2025, arXiv:2502.16982), so that one rate serves
 * both.
 */
#pragma once
#include "train/trainer.h"

namespace shacomp::SHACOMP_ISA {
namespace {

/** Steps of the Newton-Schulz iteration x = a x + b (x x^T) x + c (x x^T)^2 x, and its coefficients. */
constexpr int kOrthogonalSteps = 5;
constexpr float kOrthogonal[] = {3.4445f, -4.7750f, 2.0315f};
/** Root mean square of an AdamW step, in learning rates. */
constexpr float kStepSize = 0.2f;

/** Scales a matrix to norm 1 and makes its singular values about 1. x is [d][d], and so is all scratch. */
template <class E>
void Trainer<E>::orthogonalize(Worker<E>& k, Matrix<float> x) {
  const Matrix<E> elements = matrix(k.muon_elements, d, d);
  const Matrix<float> product = matrix(k.muon_product, d, d);
  vf squares{};
  for (std::ptrdiff_t i = 0; i < x.size(); i += kLanes)
    squares = squares + load(x.data + i) * load(x.data + i);
  const float scale = 1.0f / (__builtin_sqrtf(sum(squares)) + 1e-12f);
  for (std::ptrdiff_t i = 0; i < x.size(); i += kLanes) store(x.data + i, load(x.data + i) * scale);
  for (int step = 0; step < kOrthogonalSteps; ++step) {
    convert(elements.data, x.data, x.size());
    pack_columns(k.muon_packed, elements);
    gemm(product, rows_of(elements), k.muon_packed, false);  // x x^T
    convert(k.muon_square, product.data, product.size());
    const Matrix<E> square = matrix(k.muon_square, d, d);
    pack_rows(k.muon_packed, square);
    const Matrix<float> fourth = matrix(k.muon_fourth, d, d);
    gemm(fourth, rows_of(square), k.muon_packed, false);  // (x x^T)^2
    for (std::ptrdiff_t i = 0; i < x.size(); i += kLanes)
      store(k.muon_square + i,
            kOrthogonal[1] * load(product.data + i) + kOrthogonal[2] * load(fourth.data + i));
    pack_rows(k.muon_packed, elements);
    for (std::ptrdiff_t i = 0; i < x.size(); i += kLanes)
      store(x.data + i, kOrthogonal[0] * load(x.data + i));
    gemm(x, rows_of(square), k.muon_packed, true);
  }
}

/** The parameters of one matrix [d][d] from `at` on. */
template <class E>
void Trainer<E>::muon(Worker<E>& k, std::size_t at, float clip, const Update& o) {
  const Matrix<float> step = matrix(k.muon_step, d, d);
  float* const momentum = m + at;
  const float* const g = gradient + at;
  for (std::ptrdiff_t i = 0; i < step.size(); i += kLanes) {
    const vf slope = load(g + i) * clip;
    const vf next = o.momentum * load(momentum + i) + (1.0f - o.momentum) * slope;
    store(momentum + i, next);
    store(step.data + i, o.momentum * next + (1.0f - o.momentum) * slope);  // Nesterov's
  }
  orthogonalize(k, step);
  const float keep = 1.0f - o.rate * o.decay, size = o.rate * kStepSize * __builtin_sqrtf(float(d));
  for (std::ptrdiff_t i = 0; i < step.size(); i += kLanes) {
    const vf x = load(weights + at + i) * keep - load(step.data + i) * size;
    store(weights + at + i, x);
    store(ema + at + i, o.ema * load(ema + at + i) + (1.0f - o.ema) * x);
  }
}

}  // namespace
}  // namespace shacomp::SHACOMP_ISA
