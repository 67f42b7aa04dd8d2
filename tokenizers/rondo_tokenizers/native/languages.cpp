// How likely a text is in each of some languages, by py3langid's model: what its LanguageIdentifier does in Python.
// An automaton runs over the bytes and tells of features; they are counted, and the logarithms of their counts weigh
// the rows of a table (naive Bayes). `rondo_tokenizers/native/scorer.py` calls it.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

extern "C" {

// moves: (rows, 256), the next state; rows: (states,), where a state's moves are; features: (states,), that reaching a
// state tells of, negative for none; table: (features, languages); prior: (languages,).
// out: (languages,), the probabilities, which are the flatter the shorter the text is.
__attribute__((visibility("default")))
void rondo_language_probabilities(const uint8_t* text, int64_t length, const uint32_t* moves, const int32_t* rows,
                                  const int32_t* features, const float* table, const float* prior, int64_t languages,
                                  float* out) {
    std::vector<int32_t> found;
    found.reserve(static_cast<size_t>(length));
    uint32_t state = 0;
    for (int64_t i = 0; i < length; i++) {
        state = moves[static_cast<size_t>(rows[state]) * 256 + text[i]];
        if (features[state] >= 0) found.push_back(features[state]);
    }
    for (int64_t j = 0; j < languages; j++) out[j] = 0.0f;
    if (!found.empty()) {
        std::sort(found.begin(), found.end());
        for (size_t begin = 0, end = 0; begin < found.size(); begin = end) {
            while (end < found.size() && found[end] == found[begin]) end++;
            const float weight = std::log1p(static_cast<float>(end - begin));
            const float* row = table + static_cast<size_t>(found[begin]) * static_cast<size_t>(languages);
            for (int64_t j = 0; j < languages; j++) out[j] += weight * row[j];
        }
        for (int64_t j = 0; j < languages; j++) out[j] += prior[j];
    }
    const float flatness = 1.0f / std::sqrt(static_cast<float>(length > 0 ? length : 1));
    const float highest = *std::max_element(out, out + languages) * flatness;
    float sum = 0.0f;
    for (int64_t j = 0; j < languages; j++) sum += out[j] = std::exp(out[j] * flatness - highest);
    for (int64_t j = 0; j < languages; j++) out[j] /= sum;
}

}
