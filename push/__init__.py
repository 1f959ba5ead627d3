"""What screens are told: pops at ringing telephones, and every outbox row to whom it is meant for."""
