/**
 * @file The optimizer: AdamW (Loshchilov and Hutter 2019) with a clipped gradient and a moving average of the
 * weights.
 */
#pragma once
#include "train/trainer.h"

namespace shacomp::SHACOMP_ISA {
namespace {

/** Adds the workers' gradients up, each worker a part of the parameters. */
template <class E>
void Trainer<E>::reduce(int index) {
  double total = 0;
  for (std::size_t i = bound(index); i < end_of(index); i += kPanel) {
    vf squares{};
    for (std::size_t j = i; j < i + kPanel; j += kLanes) {
      vf g = load(gradient + j);
      for (int other = 1; other < cfg.workers; ++other) g = g + load(workers[other].gradient + j);
      store(gradient + j, g);
      squares = squares + g * g;
    }
    total += double(sum(squares));
  }
  workers[index].squares = total;
}

/** Global norm of the gradient. */
template <class E>
double Trainer<E>::norm() const {
  double total = 0;
  for (int i = 0; i < cfg.workers; ++i) total += workers[i].squares;
  return __builtin_sqrt(total);
}

/** Parameters [from, to), in a form that compilers turn into vectors. */
template <class E>
void Trainer<E>::adamw(std::size_t from, std::size_t to, float keep, float clip, const Update& o) {
  const float* __restrict g = gradient;
  float* __restrict first = m;
  float* __restrict second = v;
  float* __restrict x = weights;
  float* __restrict average = ema;
  const float rate = o.rate, beta1 = o.beta1, beta2 = o.beta2, epsilon = o.epsilon, share = o.ema;
  const float correct1 = o.correct1, correct2 = o.correct2;
  for (std::size_t i = from; i < to; ++i) {
    const float slope = g[i] * clip;
    first[i] = beta1 * first[i] + (1.0f - beta1) * slope;
    second[i] = beta2 * second[i] + (1.0f - beta2) * slope * slope;
    x[i] = x[i] * keep - rate * first[i] * correct1 / (__builtin_sqrtf(second[i] * correct2) + epsilon);
    average[i] = share * average[i] + (1.0f - share) * x[i];
  }
}

template <class E>
void Trainer<E>::update(int index, const Update& o) {
  const double length = norm();
  if (!(length < kLargestNorm)) return;  // the caller sees the norm, and the weights are still good
  const float clip = o.clip > 0 && length > double(o.clip) ? float(double(o.clip) / length) : 1.0f;
  const std::size_t begin = bound(index), end = end_of(index);
  int job = 0;
  for (int t = 0; t < tensor_count; ++t) {
    if (tensors[t].square && o.momentum > 0) {
      for (std::size_t at = tensors[t].begin; at < tensors[t].end; at += std::size_t(d) * d)
        if (job++ % cfg.workers == index) muon(workers[index], at, clip, o);
      continue;
    }
    const std::size_t from = tensors[t].begin > begin ? tensors[t].begin : begin;
    const std::size_t to = tensors[t].end < end ? tensors[t].end : end;
    const float keep = tensors[t].matrix ? 1.0f - o.rate * o.decay : 1.0f;
    adamw(from, to, keep, clip, o);
  }
}

}  // namespace
}  // namespace shacomp::SHACOMP_ISA
