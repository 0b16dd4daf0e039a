"""An independent numpy forward pass: shares no code with llmc, reads model files by itself, computes in double."""

from .model import Model, load

__all__ = ["Model", "load"]
